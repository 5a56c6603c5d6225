"""What TLS needs of both sides that neither owns: certificates, and how to check who was dialed."""
