"""Through the fleet: each router narrows it, one attempt loop tries, and the chosen worker answers."""
