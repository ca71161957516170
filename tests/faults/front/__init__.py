"""What callers can do to the gateway."""
