"""Subword models: learned, applied, and held-out text split with them."""
