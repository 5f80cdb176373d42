"""What a model costs: memory, bytes on disk, CPU time."""
