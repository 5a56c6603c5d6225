"""`leafnode ports` and `leafnode port`: which serial ports there are, and what goes over them."""
