"""The codec `exec`: a user's Python function, in a process of its own with limits."""
