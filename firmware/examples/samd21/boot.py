"""boot.py of a node: a second USB serial port for the link; the first stays the console.

Truth: docs.circuitpython.org, usb_cdc.
"""

import usb_cdc

usb_cdc.enable(console=True, data=True)
