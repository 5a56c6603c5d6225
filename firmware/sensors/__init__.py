"""Sensors, each in a file of its own; the bus or pin is passed in, so none knows a board.

What a node calls is a function without arguments: a number, None when there is nothing new, or an
OSError when the sensor or the bus is not well. Imports nothing by itself. Truth:
firmware/README.md, "Sensors".
"""
