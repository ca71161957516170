"""The words of the domain: every package may import them, they import nothing but the standard library."""
