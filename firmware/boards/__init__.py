"""Boards: one module each with pins and sizes, and how each Python opens them.

Imports nothing by itself: a board loads its own module only. Truth: firmware/README.md, "Boards";
firmware/boards.toml has what a host needs to know of them.
"""
