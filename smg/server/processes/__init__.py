"""One gateway in several processes: a supervisor that serves nobody, and whole gateways that share an address."""
