"""Faults that strike a sweep again and again; it must end with the bytes of one that nothing has struck."""
