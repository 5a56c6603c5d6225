"""`leafnode device`: microcontrollers that run the firmware of this project.

Truth: firmware/README.md.
"""
