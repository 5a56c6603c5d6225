"""Modbus RTU as its master: slaves are asked in turn, their registers become readings.

Knows registers and time; not ports, subjects and streams. Truth: "MODBUS Application Protocol
Specification" V1.1b3, "MODBUS over Serial Line" V1.02; docs/serial/modbus.md.
"""
