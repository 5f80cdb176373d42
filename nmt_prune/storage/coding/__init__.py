"""Codes of numbers and positions as streams of bytes."""
