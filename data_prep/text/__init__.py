"""Parallel text as files and as streams of pairs."""
