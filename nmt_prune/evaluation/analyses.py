"""The analyses of the runs of a recipe, by name."""

from collections.abc import Callable
from pathlib import Path

from nmt_prune.evaluation.analysis.connectivity import connectivity
from nmt_prune.evaluation.analysis.density import density
from nmt_prune.evaluation.analysis.losses import losses
from nmt_prune.evaluation.analysis.movement import growth, signs
from nmt_prune.evaluation.analysis.overlap import overlap
from nmt_prune.evaluation.analysis.stored import write_analysis
from nmt_prune.evaluation.quality.text import read_lines
from nmt_prune.evaluation.records.references import reference_file
from nmt_prune.evaluation.records.scored_runs import ScoredRuns, read_runs
from nmt_prune.evaluation.reports.gathering import gather
from nmt_prune.evaluation.reports.tables.table import Section

_OF_CHECKPOINTS: dict[str, Callable[[ScoredRuns], list[Section]]] = {
    "overlap": overlap,
    "signs": signs,
    "growth": growth,
    "density": density,
}


def analyse(name: str, runs: Path, data: Path | None = None) -> tuple[str, Path]:
    """Makes an analysis and writes it beside the report.

    Args:
        name: which one.
        runs: ``runs/<recipe>``.
        data: data folder, of ``connectivity`` and ``losses``; None is where it was when the runs were scored.

    Returns:
        Its tables in Markdown, and the file.

    Raises:
        PruneError: the runs lack what it needs.
    """
    scored = read_runs(runs)
    if name in _OF_CHECKPOINTS:
        sections = _OF_CHECKPOINTS[name](scored)
    elif name == "connectivity":
        sections = connectivity(scored, data)
    else:
        scores = scored.scored[0].scores
        translations = {run.name: run.hypotheses() for run in scored.scored}
        references = read_lines(reference_file(scores, data))
        sections = losses(gather(scored, {}, data), translations, references, scores.tokenize)
    return "\n\n".join(section.markdown() for section in sections), write_analysis(scored, name, sections)
