"""Who gets a message. Pure: no I/O, no time, no configuration."""
