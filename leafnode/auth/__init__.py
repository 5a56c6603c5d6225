"""Who somebody is: passwords, tokens, NKEYs, .creds files. Knows no connections."""
