# ruff: noqa: F821 -- metadata and package are MicroPython's, see tools/manifestfile.py there
"""Freezes the node into a MicroPython build: `make BOARD=… FROZEN_MANIFEST=<this file>`."""

metadata(version="0.1.0", description="leafnode sensor node")

# The device's half of leafnode/link; the gateway's half stays at home.
package(
    "link",
    (
        "__init__.py",
        "cobs.py",
        "const.py",
        "counters.py",
        "crc.py",
        "device.py",
        "errors.py",
        "frame.py",
        "hello.py",
        "ring.py",
        "subject.py",
        "ticks.py",
        # What a board without messages, aliases and time leaves out.
        "aliases.py",
        "channel.py",
        "clock.py",
        "crc16.py",
        "messages.py",
        "pattern.py",
        "verbs.py",
    ),
    base_path="../leafnode",
)
package("node", ("__init__.py", "aio.py", "measuring.py", "node.py", "settings.py"))
package(
    "hal",
    (
        "__init__.py",
        "boot_id.py",
        "bus_micropython.py",
        "clock.py",
        "interrupt.py",
        "micropython.py",
        "stream.py",
    ),
)
package(
    "boards",
    ("__init__.py", "esp32_s3.py", "on_micropython.py", "pico.py", "pico_w.py", "wired.py"),
)
package("sensors")
