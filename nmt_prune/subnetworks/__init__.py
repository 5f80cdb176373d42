"""Searching for subnetworks in a trained model."""
