"""The fault catalogue: every case against the gateway, and against a proxy without defences (make faults)."""
