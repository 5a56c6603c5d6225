"""Boards: each module has one class with ticks_ms, boot_id, read, write, wait and closed.

Imports nothing by itself, so that a board loads only its own. Truth: firmware/README.md.
"""
