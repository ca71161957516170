"""The hot functions, one benchmark each: ``make micro`` times them, every other run calls them once."""
