"""Cleaning of training text: what a sentence is made to look like, and which pairs are left out and why."""
