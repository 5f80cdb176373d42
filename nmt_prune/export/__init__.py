"""Models for other programs that translate."""
