"""Optimizers of the plugin."""
