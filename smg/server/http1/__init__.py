"""HTTP/1.1 as the gateway serves it: a listener of our own, from the bytes up."""
