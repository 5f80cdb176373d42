"""Overlap of tickets over seeds, techniques and rungs, against chance."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations, pairwise

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.analysis.tickets import ticket, with_tickets
from nmt_prune.evaluation.records.scored_runs import ScoredRun, ScoredRuns
from nmt_prune.evaluation.reports.tables.bleu import NOTHING, percent
from nmt_prune.evaluation.reports.tables.table import Section, Table
from nmt_prune.inspection.overlap import Overlap, overlaps
from nmt_prune.techniques.labels import label

_COLUMNS = ("pairs", "Jaccard", "by chance", "of the smaller kept", "that by chance", "same sign")
_NOTES = (
    "Jaccard: weights that both keep, of those that either keeps; *of the smaller kept*: of the ticket with fewer"
    " weights, those that the other keeps too (1: it lies within). Over the matrices that could be pruned.",
    "*By chance*: of independent random masks with as many weights in every matrix. *Same sign*: of the trained weights"
    " that both keep; by chance one half.",
)


def overlap(scored: ScoredRuns) -> list[Section]:
    """One section for pairs that differ in their seed alone, one for techniques, one for neighbouring rungs.

    Raises:
        PruneError: no pruned run has its checkpoint, or no two runs can be compared.
    """
    runs = with_tickets(scored)
    groups = {
        "seeds": (("technique", "sparsity"), _pairs(runs, "seed")),
        "techniques": (("techniques", "sparsity"), _pairs(runs, "technique")),
        "rungs": (("technique", "sparsities"), _neighbours(runs)),
    }
    found = []
    for what, (names, pairs) in groups.items():
        measured = {key: [one for pair in group if (one := _overlap(*pair))] for key, group in pairs.items()}
        rows = [[*key, str(len(group)), *_numbers(group)] for key, group in measured.items() if group]
        if rows:
            found.append(Section(f"Overlap of tickets over {what}", Table([*names, *_COLUMNS], rows), _NOTES))
    if not found:
        raise PruneError(f"{scored.folder} holds no two tickets that differ in their seed, technique or rung alone")
    return found


Pairs = dict[tuple[str, str], list[tuple[ScoredRun, ScoredRun]]]


def _pairs(runs: Sequence[ScoredRun], which: str) -> Pairs:
    """Pairs that are alike in all but their seed, or their technique."""
    found: Pairs = defaultdict(list)
    for first, second in combinations(runs, 2):
        one, other = first.record, second.record
        differing = {name for name in ("technique", "sparsity", "seed") if getattr(one, name) != getattr(other, name)}
        if differing == {which}:
            names = [label(name) for name in dict.fromkeys((one.technique, other.technique))]
            found[" and ".join(names), percent(one.sparsity)].append((first, second))
    return found


def _neighbours(runs: Sequence[ScoredRun]) -> Pairs:
    found: Pairs = defaultdict(list)
    ladders: dict[tuple[str, int], list[ScoredRun]] = defaultdict(list)
    for run in runs:
        ladders[run.record.technique, run.record.seed].append(run)
    for (technique, _), ladder in ladders.items():
        for first, second in pairwise(ladder):
            rungs = " to ".join(percent(run.record.sparsity) for run in (first, second))
            found[label(technique), rungs].append((first, second))
    return found


def _overlap(first: ScoredRun, second: ScoredRun) -> Overlap | None:
    """The total; None for models of different shapes."""
    one, other = ticket(first), ticket(second)
    try:
        return overlaps(one.masks, other.masks, (one.weights, other.weights))[-1]
    except PruneError:
        return None


def _numbers(group: Sequence[Overlap]) -> list[str]:
    smaller = [max(1, min(one.first, one.second)) for one in group]
    signs = [one.sign_agreement for one in group if one.sign_agreement is not None]
    means = [
        statistics.fmean(values)
        for values in (
            [one.jaccard for one in group],
            [one.chance for one in group],
            [one.both / size for one, size in zip(group, smaller, strict=True)],
            [one.expected / size for one, size in zip(group, smaller, strict=True)],
        )
    ]
    return [*(f"{mean:.3f}" for mean in means), f"{statistics.fmean(signs):.3f}" if signs else NOTHING]
