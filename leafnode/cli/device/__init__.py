"""`leafnode device`: microcontrollers that run the firmware of this project.

Truth: docs/device-command.md.
"""
