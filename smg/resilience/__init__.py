"""What keeps one fault from becoming another: small pure parts with a clock handed in; no I/O, no waiting."""
