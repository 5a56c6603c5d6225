"""`leafnode sim`: sensors that are not there, to try the serial bridge without hardware."""
