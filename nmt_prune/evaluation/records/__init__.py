"""What a run folder says about itself, as files."""
