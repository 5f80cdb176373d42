"""Recipes: YAML files that say what to train, prune and compare."""
