"""From a checkpoint to a compact model and back."""
