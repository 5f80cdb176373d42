"""A paper's BLEU beside ours, each column with its convention."""

from collections.abc import Mapping

from nmt_prune.evaluation.reports.aggregates import Aggregate, Cell
from nmt_prune.evaluation.reports.published import Number, Published
from nmt_prune.evaluation.reports.results import Results
from nmt_prune.evaluation.reports.tables.bleu import NOTHING, percent
from nmt_prune.evaluation.reports.tables.table import Section, Table
from nmt_prune.techniques import DENSE
from nmt_prune.techniques.labels import label, ordered

Aggregates = Mapping[Cell, Aggregate]


def common_techniques(aggregates: Aggregates, paper: Published, pair: str) -> list[str]:
    """Techniques and controls that both we and the paper have."""
    names = ordered(cell.technique for cell in aggregates if cell.sparsity > 0)
    return [name for name in names if paper.curve(pair, name)]


def published_section(results: Results, aggregates: Aggregates, paper: Published) -> Section:
    """Heading, table and conventions; says so where the paper has none of our techniques."""
    assert results.pair is not None
    heading = f"Beside {paper.label} ({paper.convention})"
    if not common_techniques(aggregates, paper, results.pair):
        return Section(heading, text=f"{paper.label} has none of these techniques.", place="published")
    return Section(heading, _table(aggregates, paper, results.pair), _conventions(results, paper), place="published")


def _table(aggregates: Aggregates, paper: Published, pair: str) -> Table:
    techniques = common_techniques(aggregates, paper, pair)
    sparsities = sorted({cell.sparsity for cell in aggregates if cell.technique in techniques})
    our_dense, their_dense = aggregates.get(Cell(DENSE, 0.0)), paper.dense(pair)
    rows = [["dense", *[_cell(our_dense, None), _cell(their_dense, None)] * len(techniques)]]
    for sparsity in sparsities:
        row = [percent(sparsity)]
        for name in techniques:
            row += [_cell(aggregates.get(Cell(name, sparsity)), our_dense)]
            row += [_cell(paper.find(pair, name, sparsity), their_dense)]
        rows.append(row)
    columns = [f"{label(name)}, {whose}" for name in techniques for whose in ("ours", paper.label)]
    return Table(["sparsity", *columns], rows)


def _cell(result: Aggregate | Number | None, dense: Aggregate | Number | None) -> str:
    """BLEU (published: as printed) and, in parentheses, its difference to the dense model's."""
    if result is None:
        return NOTHING
    bleu = str(result.bleu) if isinstance(result, Number) else f"{result.bleu:.1f}"
    return bleu if dense is None else f"{bleu} ({result.bleu - dense.bleu:+.1f})"


def _conventions(results: Results, paper: Published) -> list[str]:
    how = results.convention
    return [
        f"*ours*: sacreBLEU `{how.signatures['bleu']}` on `{how.subset}` of `{how.data}`.",
        f"*{paper.label}*: {paper.convention}; {paper.test_set}. {paper.title}.",
        "Two conventions: compare the loss against the dense model of the same column (in parentheses), not BLEU.",
        *paper.notes,
    ]
