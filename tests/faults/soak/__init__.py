"""Load and faults for minutes: what must hold of every request while workers break and heal."""
