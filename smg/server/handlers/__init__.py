"""What the routes do: each handler turns one request into a question to the fleet, and the result into an answer."""
