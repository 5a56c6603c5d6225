"""Ways to a port: a tty, a TCP connection, a telnet server with the com port option."""
