"""The report of a recipe: results.csv, results.json, table.md, report.html and the figures."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.analysis.stored import read_analyses
from nmt_prune.evaluation.costs.speeds import measure_speeds
from nmt_prune.evaluation.quality.resamples import OVER_SEEDS
from nmt_prune.evaluation.quality.significance import METHOD
from nmt_prune.evaluation.records.run import RUN_FILE
from nmt_prune.evaluation.records.scored_runs import read_runs
from nmt_prune.evaluation.reports.drawing import require_plots
from nmt_prune.evaluation.reports.export_result import speed_to_dense
from nmt_prune.evaluation.reports.gathering import gather
from nmt_prune.evaluation.reports.published import Published, load_published
from nmt_prune.evaluation.reports.results import Results
from nmt_prune.evaluation.reports.run_result import write_csv
from nmt_prune.evaluation.reports.tables.beside_papers import published_section
from nmt_prune.evaluation.reports.tables.bleu import control_table, sparsity_table, subnetwork_table
from nmt_prune.evaluation.reports.tables.differences import check_against, difference_section
from nmt_prune.evaluation.reports.tables.legend import legend
from nmt_prune.evaluation.reports.tables.size import cost_section
from nmt_prune.evaluation.reports.tables.speed import speed_section
from nmt_prune.evaluation.reports.tables.table import Section
from nmt_prune.files import atomic_path, write_json


@dataclass(frozen=True)
class Report:
    """A written report.

    Attributes:
        text: table, controls and legend in Markdown.
        paths: the files.
    """

    text: str
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class RecipeReport(Report):
    """A written report of one recipe.

    Attributes:
        results: what it shows.
    """

    results: Results


def write_report(
    runs: Path, data: Path | None = None, published: Sequence[str] = (), against: Sequence[str] = ()
) -> RecipeReport:
    """Gathers the runs of a recipe, measures their speed where it is not known, and writes ``RUNS/report/``.

    Args:
        runs: ``runs/<recipe>``.
        data: data folder with the references; None is where they were when the runs were scored.
        published: papers whose numbers to show beside, in table and plot.
        against: techniques from which to show the differences of all others, seed by seed and tested over seeds.

    Raises:
        PruneError: matplotlib is not installed, a paper is unknown or has no numbers for the language pair, a technique
            of ``against`` has no run, or see :func:`nmt_prune.evaluation.reports.gathering.gather`.
    """
    require_plots()
    from nmt_prune.evaluation.reports.figures.bleu import plot
    from nmt_prune.evaluation.reports.figures.costs import plot_cpu_time, plot_sizes, plot_speed
    from nmt_prune.evaluation.reports.page.page import write_page

    scored = read_runs(runs)
    speeds, unmeasured = measure_speeds(scored, data)
    results = gather(scored, speeds, data)
    results = replace(results, published=_papers(published, results, runs))
    for technique in against:
        check_against(results.rows, technique)
    folder = runs / "report"
    table, numbers, markdown, page = (
        folder / name for name in ("results.csv", "results.json", "table.md", "report.html")
    )
    figures: dict[str, Callable[[Results, Sequence[Path]], None]] = {"bleu": plot}
    if any(row.mb_used is not None for row in results.rows):
        figures |= {"size": plot_sizes, "cpu_time": plot_cpu_time}
    if any(row.exports[speed_to_dense("packed", "fairseq")] is not None for row in results.rows):
        figures |= {"speed": plot_speed}
    parts = sections(results, against, unmeasured, read_analyses(scored))
    text = _markdown(results, parts)
    write_csv(table, results.rows)
    write_json(numbers, as_json(results))
    with atomic_path(markdown) as temporary:
        temporary.write_text(text, encoding="utf-8")
    write_page(page, title(results), parts, results, scored, data)
    paths = [table, numbers, markdown, page]
    for name, plot_figure in figures.items():
        formats = [folder / f"{name}.{suffix}" for suffix in ("png", "svg")]
        plot_figure(results, formats)
        paths += formats
    return RecipeReport(text, tuple(paths), results)


def title(results: Results) -> str:
    """Title of the report."""
    return f"{results.recipe}: BLEU by sparsity"


def sections(
    results: Results,
    against: Sequence[str] = (),
    unmeasured: Sequence[str] = (),
    analyses: Sequence[Section] = (),
) -> list[Section]:
    """Tables and legends.

    Args:
        results: what to show.
        against: as in :func:`write_report`.
        unmeasured: what has no speed, and why.
        analyses: those that are there.
    """
    aggregates = results.aggregates
    found = [
        Section("", sparsity_table(aggregates), place="answer"),
        Section("Controls", control_table(aggregates)),
        Section("Subnetworks", subnetwork_table(aggregates)),
        *(difference_section(results, technique) for technique in against),
        cost_section(aggregates, results.rows),
        speed_section(aggregates, results.rows),
        Section("", notes=[*legend(results), *unmeasured], place="reading"),
        *(published_section(results, aggregates, paper) for paper in results.published),
        *analyses,
    ]
    return [section for section in found if section and (section.table or section.notes or section.text)]


def report_text(results: Results, against: Sequence[str] = ()) -> str:
    """Title, tables and legend in Markdown; ``against`` as in :func:`write_report`."""
    return _markdown(results, sections(results, against))


def _markdown(results: Results, parts: Sequence[Section]) -> str:
    return "\n\n".join([f"# {title(results)}", *(part.markdown() for part in parts)]) + "\n"


def _papers(names: Sequence[str], results: Results, runs: Path) -> tuple[Published, ...]:
    papers = tuple(map(load_published, dict.fromkeys(names)))
    for paper in papers:
        if results.pair is None:
            raise PruneError(
                f"published: the {RUN_FILE} of {runs / results.rows[0].run} names no settings.corpus.source and target,"
                f" so {paper.name} cannot be shown; leave it out"
            )
        paper.require(results.pair)
    return papers


def as_json(results: Results) -> dict[str, object]:
    """Convention, rows and aggregates as JSON values."""
    return {
        "recipe": results.recipe,
        "convention": asdict(results.convention),
        "significance": METHOD,
        "significance_over_seeds": f"{OVER_SEEDS}; Holm's correction",
        "runs": [row.as_json() for row in results.rows],
        "aggregates": [{**asdict(cell), "cell": cell.cell._asdict()} for cell in results.aggregates.values()],
        "unscored": list(results.unscored),
    }
