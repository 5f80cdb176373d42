"""Lexical shortlists from parallel text."""
