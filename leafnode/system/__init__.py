"""The system account: what the server says of itself, asks to be told, and answers there."""
