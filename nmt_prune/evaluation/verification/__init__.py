"""Whether results are what they say: digests, scores, and the report."""
