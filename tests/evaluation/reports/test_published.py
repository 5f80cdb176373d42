import csv
import dataclasses

import pytest
import typer
from typer.testing import CliRunner

from nmt_prune.cli.report import report
from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.text import write_lines
from nmt_prune.evaluation.report import report_text, write_report
from nmt_prune.evaluation.reports.figures.bleu import draw, logit, plot
from nmt_prune.evaluation.reports.published import FOLDER, load_published, published_papers
from nmt_prune.files import write_json
from tests.evaluation.corpus import corrupted, references, write_run
from tests.evaluation.samples import results, row

ROWS = [
    row("dense", 0, 27.14, 800),
    row("mp", 0.5, 26.9, 800),
    row("mp", 0.8, 25.2, 800),
    row("slt", 0.8, 24.6, 2400),
    row("slt", 0.97, 20.0, 2400),
    row("finetune", 0.8, 26.0, 2400),
    row("random", 0.8, 19.94, 2400),
]
PAPERS = tuple(map(load_published, ("brix2020", "gale2019")))
WITH_PAPERS = dataclasses.replace(results(*ROWS), pair="en-de", published=PAPERS)

BESIDE_BRIX = """\
## Beside Brix 2020 (SacreBLEU, tokenized, cased)

| sparsity   |    MP, ours |   MP, Brix 2020 |   SLT, ours |   SLT, Brix 2020 |
|:-----------|------------:|----------------:|------------:|-----------------:|
| dense      |        27.1 |            26.8 |        27.1 |             26.8 |
| 50 %       | 26.9 (-0.2) |     26.4 (-0.4) |           – |      26.6 (-0.2) |
| 80 %       | 25.2 (-1.9) |     24.8 (-2.0) | 24.6 (-2.5) |      24.8 (-2.0) |
| 97 %       |           – |               – | 20.0 (-7.1) |                – |

- *ours*: sacreBLEU `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0` on `test` of `numbers.en-de`.
- *Brix 2020*: SacreBLEU, tokenized, cased; WMT14 newstest2014. Brix, Bahar & Ney 2020, \
Successfully Applying the Stabilized Lottery Ticket Hypothesis to the Transformer Architecture.
- Two conventions: compare the loss against the dense model of the same column (in parentheses), not BLEU.
"""


@pytest.mark.parametrize(
    ("paper", "pair", "technique", "percent", "bleu", "ter", "memory"),
    [
        ("brix2020", "en-de", "dense", 0, 26.8, 64.5, 234),
        ("brix2020", "en-de", "mp", 50, 26.4, 65.0, 137),
        ("brix2020", "en-de", "lt", 85, 22.3, 69.8, 46),
        ("brix2020", "en-de", "slt", 40, 27.1, 65.1, 161),
        ("brix2020", "en-de", "slt", 98, 11.0, 86.9, 7),
        ("brix2020", "en-de", "clt", 60, 26.8, 65.0, 112),
        ("brix2020", "en-de", "slt-mp", 90, 23.5, 68.4, 31),
        ("brix2020", "en-de", "mp-slt", 95, 18.5, 75.5, 17),
        ("brix2020", "en-de", "clt-random-sign", 50, 24.6, 67.5, 137),
        ("brix2020", "en-fr", "dense", 0, 39.3, 57.2, None),
        ("brix2020", "en-fr", "clt", 30, 39.7, 56.9, None),
        ("brix2020", "en-fr", "slt", 98, 21.8, 73.9, None),
        ("gale2019", "en-de", "dense", 0, 27.29, None, None),
        ("gale2019", "en-de", "mp", 80, 24.65, None, None),
        ("gale2019", "en-de", "l0", 50, 26.72, None, None),
        ("gale2019", "en-de", "random", 98, 10.94, None, None),
    ],
)
def test_values_as_printed(paper, pair, technique, percent, bleu, ter, memory):
    number = load_published(paper).find(pair, technique, percent / 100)
    assert (number.bleu, number.ter, number.memory_mb) == (bleu, ter, memory)
    assert number.source.startswith(load_published(paper).label)


def test_tables_are_complete():
    """Brix: 6 techniques, 12 rungs less SLT-MP's first four, dense and one control; En-Fr 4 techniques likewise."""
    brix, gale = PAPERS
    assert len(brix.numbers) == (6 * 12 - 4 + 2) + (4 * 12 - 4 + 1)
    assert len(gale.numbers) == 1 + 4 * 7
    for technique in ("mp", "lt", "slt", "clt", "mp-slt"):
        ladder = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98]
        assert list(brix.curve("en-de", technique)) == ladder
    assert list(brix.curve("en-fr", "slt-mp")) == [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98]
    assert brix.find("en-fr", "lt", 0.5) is None


def test_mp_slt_is_mp_up_to_60_percent():
    brix = PAPERS[0]
    for sparsity in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6):
        mp, mp_slt = (brix.find("en-de", name, sparsity) for name in ("mp", "mp-slt"))
        assert (mp.bleu, mp.ter) == (mp_slt.bleu, mp_slt.ter)


def test_each_file_has_the_same_columns_and_an_entry():
    assert {path.stem for path in FOLDER.glob("*.csv")} == set(published_papers())
    for name in published_papers():
        with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0]) == ["paper", "pair", "technique", "sparsity", "bleu", "ter", "memory_mb", "source"]
        assert {row["paper"] for row in rows} == {name}
        assert len(rows) == len(load_published(name).numbers)


def test_conventions_differ():
    assert [paper.convention for paper in PAPERS] == ["SacreBLEU, tokenized, cased", "Moses multi-bleu, tokenized"]


def test_unknown_papers_and_pairs():
    with pytest.raises(PruneError, match=r"no numbers of 'gale2020'; did you mean gale2019\?"):
        load_published("gale2020")
    with pytest.raises(PruneError, match="brix2020 has no numbers for de-en, only for en-de and en-fr"):
        load_published("brix2020").require("de-en")


def test_a_table_for_each_paper_and_ours_unchanged():
    text = report_text(WITH_PAPERS)
    assert text.startswith(report_text(results(*ROWS)).rstrip("\n"))
    assert BESIDE_BRIX in text
    gale = text.split("## Beside Gale 2019 (Moses multi-bleu, tokenized)")[1]
    assert "|    MP, ours |   MP, Gale 2019 |   random mask, ours |   random mask, Gale 2019 |" in gale
    assert "| 80 %       | 25.2 (-1.9) |    24.65 (-2.6) |         19.9 (-7.2) |             23.15 (-4.1) |" in gale
    assert "Its random mask grows while the model trains" in gale
    assert "Brix" not in gale


def test_nothing_in_common():
    other = dataclasses.replace(results(row("finetune", 0.8, 26.0, 800)), pair="en-de", published=PAPERS[:1])
    assert report_text(other).endswith("\n\nBrix 2020 has none of these techniques.\n")
    assert len(draw(other).axes[0].get_legend().get_texts()) == 1


def test_published_curves_are_dashed_in_the_colour_of_ours(tmp_path):
    axes = draw(WITH_PAPERS).axes[0]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert {"Brix 2020 (SacreBLEU, tokenized, cased)", "Gale 2019 (Moses multi-bleu, tokenized)"} <= set(legend)
    assert {"dense (800)", "dense, Brix 2020", "dense, Gale 2019"} == {text.get_text() for text in axes.texts}
    ours = next(container.lines[0] for container in axes.containers if container.get_label().startswith("SLT ("))
    curves = [line for line in axes.lines if len(line.get_xdata()) == 12 and line.get_color() == ours.get_color()]
    assert len(curves) == 1
    assert list(curves[0].get_ydata())[:5] == [26.8, 26.9, 26.9, 27.1, 26.6]
    assert curves[0].get_xdata()[4] == pytest.approx(logit(0.5))
    assert curves[0].get_linestyle() == "--"
    assert ours.get_linestyle() == "-"
    plot(WITH_PAPERS, [tmp_path / "bleu.png"])
    assert (tmp_path / "bleu.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def runs(tmp_path):
    write_lines(tmp_path / "data/raw/test.de", references())
    reference = tmp_path / "data/raw/test.de"
    settings = {"corpus": {"name": "wmt14-en-de", "source": "en", "target": "de"}}
    for name, share, technique, sparsity in (("dense", 0.2, "dense", 0.0), ("mp-50", 0.3, "mp", 0.5)):
        hypotheses = corrupted(references(), share, seed=1)
        run = {"technique": technique, "sparsity": sparsity, "settings": settings}
        write_run(tmp_path / "runs/toy", f"{name}-seed1", hypotheses, reference, **run)
    return tmp_path / "runs/toy"


def test_results_csv_holds_ours_only(runs):
    without = write_report(runs)
    before = (runs / "report/results.csv").read_bytes()
    shown = write_report(runs, published=["brix2020", "gale2019"])
    assert (runs / "report/results.csv").read_bytes() == before
    assert "Brix 2020" not in without.text
    assert shown.text.count("## Beside") == 2


def printed(*arguments: object) -> str:
    app = typer.Typer()
    app.command()(report)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_shows_what_the_recipe_names(runs):
    assert "Beside" not in printed(runs)
    write_json(runs / "plan.json", {"published": ["brix2020"]})
    assert "MP, Brix 2020" in printed(runs)
    assert "Beside Brix" not in printed(runs, "--published", "gale2019")


def test_without_a_language_pair_nothing_is_shown_beside(runs):
    for path in runs.glob("*/run.json"):
        path.write_text(path.read_text().replace('"source": "en",', ""))
    with pytest.raises(PruneError, match=r"dense-seed1 names no settings\.corpus\.source and target"):
        write_report(runs, published=["brix2020"])
