"""How good translations are: subsets, translation, scores, significance."""
