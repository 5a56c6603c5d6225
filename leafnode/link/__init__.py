"""The device link: readings from a microcontroller to the gateway, each exactly once.

`leafnode.link` on the gateway and `link` on the device: one source, in the MicroPython subset,
relative imports only. Imports nothing by itself, so that a device loads `device` without paying
for `gateway`. Knows nothing of the rest of leafnode. Truth: docs/device-link.md.
"""
