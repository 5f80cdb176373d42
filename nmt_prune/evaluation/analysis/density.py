"""Density by layer and kind of matrix."""

import statistics
from collections import defaultdict

from nmt_prune.evaluation.analysis.tickets import ticket, with_tickets
from nmt_prune.evaluation.records.scored_runs import ScoredRun, ScoredRuns
from nmt_prune.evaluation.reports.tables.bleu import NOTHING, percent
from nmt_prune.evaluation.reports.tables.table import Section, Table
from nmt_prune.masks.prunable import Prunable
from nmt_prune.techniques.labels import label

_NOTE = "Weights that survive in each matrix, mean over {} of the sparsest rung; the stronger the colour, the denser."


def density(scored: ScoredRuns) -> list[Section]:
    """A heat map for the sparsest rung of each technique.

    Raises:
        PruneError: no pruned run has its checkpoint.
    """
    ladders: dict[str, list[ScoredRun]] = defaultdict(list)
    for run in with_tickets(scored):
        ladders[run.record.technique].append(run)
    found = []
    for technique, runs in ladders.items():
        top = max(run.record.sparsity for run in runs)
        chosen = [run for run in runs if run.record.sparsity == top]
        note = _NOTE.format("one run" if len(chosen) == 1 else f"{len(chosen)} seeds")
        found.append(Section(f"Density of {label(technique)} at {percent(top)}", _table(chosen), [note]))
    return found


def _table(runs: list[ScoredRun]) -> Table:
    shares: dict[tuple[str, str], list[float]] = defaultdict(list)
    for run in runs:
        masks = ticket(run).masks
        for prunable in masks.prunables:
            shares[_layer(prunable), _kind(prunable)].append(masks.kept(prunable) / prunable.size)
    layers, kinds = (list(dict.fromkeys(keys)) for keys in zip(*shares, strict=True))
    means = {key: statistics.fmean(values) for key, values in shares.items()}
    rows = [[layer, *(_share(means.get((layer, kind))) for kind in kinds)] for layer in layers]
    shades = {
        (row, 1 + column): means[layer, kind]
        for row, layer in enumerate(layers)
        for column, kind in enumerate(kinds)
        if (layer, kind) in means
    }
    return Table(["layer", *kinds], rows, shades=shades)


def _layer(prunable: Prunable) -> str:
    return f"{prunable.stack} vocabulary" if prunable.layer is None else f"{prunable.stack} {prunable.layer + 1}"


def _kind(prunable: Prunable) -> str:
    block = {"encoder_attn": "cross ", "self_attn": "self "}.get(prunable.block, "")
    return f"{block}{prunable.matrix.removesuffix('_proj')}"


def _share(share: float | None) -> str:
    return NOTHING if share is None else f"{share:.1%}"
