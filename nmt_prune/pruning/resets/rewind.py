"""Rewind to earlier weights."""

from dataclasses import dataclass

from nmt_prune.pruning.resets import Reset, resets


@resets.register("rewind")
@dataclass(frozen=True)
class Rewind(Reset):
    """θ_0 (the lottery ticket, Frankle & Carbin 2019) or θ_t (stabilized, Frankle 2019; SLT in Brix 2020)."""
