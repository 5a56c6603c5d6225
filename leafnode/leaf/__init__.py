"""Dialing out as a leaf node: interest and messages between one account here and one at the hub."""
