"""Evaluation: translate, score, test against the dense model, and show the results as table and plot."""
