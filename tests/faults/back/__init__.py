"""What workers can do to the gateway: groups U, G, W, B, R and X of the catalogue."""
