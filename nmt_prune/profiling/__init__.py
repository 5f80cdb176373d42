"""What each matrix of a model costs: bytes in every format, time in every kernel."""
