"""The composition root: listener, routes, handlers, observers, and the order in which all of it starts and ends."""
