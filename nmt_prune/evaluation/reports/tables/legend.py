"""What a reader must know to read the numbers of a report."""

from collections.abc import Mapping, Sequence

from nmt_prune.evaluation.quality.resamples import ONE_SEED, OVER_SEEDS, SIGNIFICANT, Difference
from nmt_prune.evaluation.reports.aggregates import Cell
from nmt_prune.evaluation.reports.results import Results
from nmt_prune.evaluation.reports.run_result import RunResult
from nmt_prune.evaluation.reports.tables.bleu import percent
from nmt_prune.techniques import DENSE
from nmt_prune.techniques.labels import is_searched, is_small, label

TOLERANCE = 0.005
"""Largest difference between target and measured sparsity that is not worth a remark."""


def legend(results: Results) -> list[str]:
    """A list: test set and decoding, BLEU convention, seeds, significance, updates, and remarks."""
    return [*conventions(results), *remarks(results)]


def conventions(results: Results) -> list[str]:
    """How the numbers came about."""
    how = results.convention
    seeds = results.seeds()
    flags = f", {' '.join(how.generate_flags)}" if how.generate_flags else ""
    checkpoints = " or ".join(f"`{name}`" for name in sorted({row.checkpoint for row in results.rows}))
    lines = [
        f"BLEU on the {how.sentences:,} detokenized sentences of `{how.subset}` in `{how.data}`; beam {how.beam},"
        f" length penalty {how.lenpen:g}{flags}; {checkpoints}.",
        f"sacreBLEU signature: `{how.signatures['bleu']}`. Papers score in other ways.",
        _seeds(seeds),
        f"`*`: differs from the dense model {how_tested(seeds, results.differences(DENSE))}",
        "In parentheses: parameter updates behind the number, those of all ancestors (dense model, earlier rungs)"
        " included.",
        "Sparsity: of the prunable weights; *of all*: of all parameters; *of body*: without embeddings and output"
        " projection. The last two are measured in the scored checkpoints.",
        "A masked model is exactly as big in memory and as slow as the dense one until it is compacted.",
    ]
    if any(row.other_passes for row in results.rows):
        lines[4] += (
            " After `+`: mini-batches that went through a model in no update, to measure saliencies, to learn masks of"
            " frozen weights (`oes`) or to search: work that systems without them did not have."
        )
    lines[-1:-1] = [f"{label(name)}: {how}." for name, how in results.variants.items()]
    if any(row.also for row in results.rows):
        lines.insert(-1, "A number that appears under two techniques is one run: up to there they are the same.")
    return lines


def remarks(results: Results) -> list[str]:
    """What is amiss with single runs."""
    lines = [
        f"`{row.run}`: the scored checkpoint is {percent(row.sparsity_prunable)} sparse,"
        f" not {percent(row.target_sparsity)}."
        for row in results.rows
        if not (is_searched(row.technique) or is_small(row.technique))
        and min(abs(share - row.target_sparsity) for share in (row.sparsity_prunable, row.sparsity_body)) > TOLERANCE
    ]
    lines += [
        f"`{row.run}`: trained {row.updates:,} updates, not the {row.planned_updates:,} that were planned."
        for row in results.rows
        if row.updates != row.planned_updates
    ]
    lines += [
        f"`{row.run}`: {percent(row.cut_not_closed)} of the groups that were removed had not been closed by the method;"
        f" the cut changed the training loss from {row.cut_loss_before:.3f} to {row.cut_loss_after:.3f}."
        for row in results.rows
        if row.cut_not_closed
    ]
    lines += [
        f"`{row.run}`: too long for the model, and scored with an empty hypothesis: line"
        f" {', '.join(map(str, row.left_out))} of `{results.convention.subset}`."
        for row in results.rows
        if row.left_out
    ]
    lines += [f"`{run}`: not scored yet." for run in results.unscored]
    alone = _without_dense(results.rows)
    if alone:
        lines.append(f"No dense run with seed {', '.join(map(str, alone))}: its runs are not tested.")
    return lines


def how_tested(seeds: Sequence[int], differences: Mapping[Cell, Difference]) -> str:
    """The test behind a mark, in parentheses, and what it cannot say with so few seeds."""
    number = max((difference.comparisons for difference in differences.values()), default=0)
    comparisons = "1 comparison" if number == 1 else f"Holm's correction for {number} comparisons"
    if len(seeds) == 1:
        limits = "One seed: it is about these models on other such sentences, not about other trainings."
        return f"({ONE_SEED}; p < {SIGNIFICANT:g}, {comparisons}). {limits}"
    limits = (
        f"With {len(seeds)} seeds only what is large beside its spread over seeds is found: no mark is no equality."
    )
    alone = " Where one seed alone has both runs, only sentences are tested."
    few = any(difference.seeds == 1 for difference in differences.values())
    return f"({OVER_SEEDS}; p < {SIGNIFICANT:g}, {comparisons}). {limits}{alone if few else ''}"


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"One seed ({seeds[0]}): no spread is known."
    names = ", ".join(map(str, seeds))
    return f"Mean ± sample standard deviation over {len(seeds)} seeds ({names}); `n` where there are fewer."


def _without_dense(rows: Sequence[RunResult]) -> list[int]:
    dense = {row.seed for row in rows if row.technique == DENSE}
    return sorted({row.seed for row in rows} - dense)
