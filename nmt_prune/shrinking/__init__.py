"""Structure that is really gone: fewer heads and feed-forward units per layer, sublayers left out."""
