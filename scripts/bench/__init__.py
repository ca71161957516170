"""Gateways compared side by side: ``python -m scripts.bench``."""
