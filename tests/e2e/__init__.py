"""The gateway whole: real clients, real sockets, simulated engines."""
