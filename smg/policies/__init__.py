"""Who is chosen: one file per policy, each a pure pick of one candidate out of those offered."""
