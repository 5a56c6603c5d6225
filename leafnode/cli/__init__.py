"""The `leafnode` command."""
