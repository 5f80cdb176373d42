"""What masks and checkpoints look like: counts, overlap, stability, memory."""
