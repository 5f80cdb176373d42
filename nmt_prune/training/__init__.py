"""Holding masks while a model is trained, and what takes part in its updates."""
