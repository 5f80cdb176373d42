"""What tickets have in common, how weights move, and where BLEU is lost: over all runs of a recipe."""
