"""The OpenAI-style bodies: what callers send and what they get back."""
