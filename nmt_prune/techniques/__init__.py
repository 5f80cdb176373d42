"""Techniques, the entries of a recipe: how the run at one rung of the ladder follows from another run, by name."""

from nmt_prune.techniques.mask_sources import (
    DenseRun,
    FreshWeights,
    LastStartRound,
    MaskSource,
    RungBelow,
    SearchInDense,
    WhileTraining,
)
from nmt_prune.techniques.table import techniques
from nmt_prune.techniques.technique import DENSE, LONGER, RECOMMENDED, Technique, Techniques

__all__ = [
    "DENSE",
    "LONGER",
    "RECOMMENDED",
    "DenseRun",
    "FreshWeights",
    "LastStartRound",
    "MaskSource",
    "RungBelow",
    "SearchInDense",
    "Technique",
    "Techniques",
    "WhileTraining",
    "techniques",
]
