"""A sensor node: measures by the clock, keeps what the gateway has not committed.

Imports nothing by itself. Truth: firmware/README.md.
"""
