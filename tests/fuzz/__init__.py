"""Any bytes at what reads bytes: one target per reader, each with an oracle that says more than "no crash"."""
