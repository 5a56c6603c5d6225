"""Mapping: the fields of a reading become the messages that are published.

Rename, scale and select; drop what says nothing new, or gather what came within a time; subject,
headers and payload. Knows readings; not who takes the messages. Truth: docs/serial/mapping.md.
"""
