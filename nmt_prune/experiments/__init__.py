"""Experiments: a recipe is expanded into a plan of trainings, which Snakemake runs."""
