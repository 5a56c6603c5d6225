"""`leafnode store`: looks into a store, checks it, copies it. A server loads nothing of this."""
