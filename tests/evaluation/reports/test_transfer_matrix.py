"""The transfer matrix of made-up results: what is within one standard deviation, in table, figure and csv."""

import csv
import dataclasses

import pytest

from nmt_prune.cli.report import report
from nmt_prune.errors import PruneError
from nmt_prune.evaluation.reports.figures.heat_map import draw_transfer, transfer_figure
from nmt_prune.evaluation.reports.tables.transfer import TransferMatrix
from nmt_prune.evaluation.transfer_report import write_transfer_report
from nmt_prune.files import write_json
from tests.evaluation.corpus import corrupted, references, write_run
from tests.evaluation.samples import results, row


def of_seeds(technique: str, sparsity: float, *bleu: float):
    return [row(technique, sparsity, value, 400, seed=seed) for seed, value in enumerate(bleu, start=1)]


# Dense: 22 ± 2 (sample standard deviation of 20, 22 and 24); 10 without a spread to speak of.
EN_DE = [
    *of_seeds("dense", 0, 20, 22, 24),
    *of_seeds("slt", 0.4, 25, 25, 25),
    *of_seeds("slt", 0.7, 21, 22, 23),
    *of_seeds("from-en-fr", 0.7, 19.9, 20, 20.1),
    *of_seeds("random", 0.7, 19.8, 19.9, 20),
]
EN_FR = [
    *of_seeds("dense", 0, 10, 10, 10),
    *of_seeds("slt", 0.7, 11, 12, 13),
    *of_seeds("from-en-de", 0.7, 9.9, 9.9, 9.9),
    *of_seeds("random", 0.7, 5, 5, 5),
]


@pytest.fixture
def matrix() -> TransferMatrix:
    return TransferMatrix.of("made-up", {"en-de": results(*EN_DE), "en-fr": results(*EN_FR)})


def test_within_one_standard_deviation(matrix):
    assert matrix.sparsity == 0.7
    assert list(matrix.rows.values()) == ["mask from en-de", "mask from en-fr", "random mask"]
    within = {cell: matrix.is_within(*cell) for cell in matrix.cells}
    assert within == {
        ("en-de", "en-de"): True,
        ("en-fr", "en-de"): True,  # 20.0 is exactly 22 - 2
        ("random", "en-de"): False,
        ("en-fr", "en-fr"): True,  # better than dense
        ("en-de", "en-fr"): False,
        ("random", "en-fr"): False,
    }
    assert matrix.delta("random", "en-fr") == -5


def test_table(matrix):
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in matrix.table().markdown().split("\n")]
    assert cells[0] == ["", "on en-de", "on en-fr"]
    assert cells[2:] == [
        ["dense", "22.0 ± 2.0", "10.0 ± 0.0"],
        ["mask from en-de", "22.0 ± 1.0 (+0.0) ✓", "9.9 ± 0.0 (-0.1)"],
        ["mask from en-fr", "20.0 ± 0.1 (-2.0) ✓", "12.0 ± 1.0 (+2.0) ✓"],
        ["random mask", "19.9 ± 0.1 (-2.1)", "5.0 ± 0.0 (-5.0)"],
    ]
    assert "Sparsity 70 %" in matrix.text()


def test_nothing_is_marked_without_a_spread_and_what_is_missing_is_a_dash():
    one = TransferMatrix.of("one", {"a": results(row("dense", 0, 20, 400), row("slt", 0.7, 25, 800)), "b": results()})
    assert not one.is_within("a", "a")
    assert "| mask from b |           – |      – |" in one.table().markdown()
    transfer_figure(one)


def test_heat_map(matrix, tmp_path):
    axes = transfer_figure(matrix).axes[0]
    assert [text.get_text() for text in axes.texts] == ["22.0", "9.9", "20.0", "12.0", "19.9", "5.0"]
    frames = {(round(patch.get_x() + 0.44), round(patch.get_y() + 0.42)) for patch in axes.patches}
    assert frames == {(0, 0), (0, 1), (1, 1)}  # column, row
    assert axes.images[0].get_array().ravel().tolist() == pytest.approx([0, -0.1, -2, 2, -2.1, -5])
    assert [label.get_text() for label in axes.get_yticklabels()] == list(matrix.rows.values())
    contents = []
    for number in (1, 2):
        paths = [tmp_path / f"{number}.{suffix}" for suffix in ("png", "svg")]
        draw_transfer(matrix, paths)
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]


def test_weights_of_the_parent_have_rows_between_masks_and_controls(tmp_path):
    found = {"en-de": results(*EN_DE, *of_seeds("weights-from-en-fr", 0.7, 20, 21, 22)), "en-fr": results(*EN_FR)}
    matrix = TransferMatrix.of("made-up", found)
    assert list(matrix.rows.values()) == [
        *("mask from en-de", "mask from en-fr", "mask and weights from en-fr", "random mask"),
    ]
    assert "| mask and weights from en-fr | 21.0 ± 1.0 (-1.0) ✓ | – |" in " ".join(matrix.table().markdown().split())
    assert matrix.is_within("weights-from-en-fr", "en-de")
    assert "θ_T of the source's dense model" in matrix.text()
    texts = [text.get_text() for text in transfer_figure(matrix).axes[0].texts]
    assert texts == ["22.0", "9.9", "20.0", "12.0", "21.0", "19.9", "5.0"]


def test_csv(matrix, tmp_path):
    matrix.write_csv(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8") as file:
        rows = {(line["row"], line["target"]): line for line in csv.DictReader(file)}
    assert len(rows) == 8
    assert rows["dense", "en-de"]["bleu_std"] == "2.0"
    assert rows["en-fr", "en-fr"] == {
        **{"row": "en-fr", "target": "en-fr", "sparsity": "0.7", "seeds": "3", "bleu": "12.0", "bleu_std": "1.0"},
        **{"bleu_delta": "2.0", "within_one_std": "True"},
    }


@pytest.fixture
def runs(tmp_path):
    """Folders of runs on two targets, with test sets of their own."""
    lines, folder = references(40), tmp_path / "runs/toy"
    for target in ("en-de", "en-fr"):
        reference = tmp_path / f"{target}.txt"
        reference.write_text("".join(f"{line} {target}\n" for line in lines), encoding="utf-8")
        for seed in (1, 2):
            for technique, sparsity, share in (("dense", 0.0, 0.1), ("slt", 0.7, 0.2), ("from-x", 0.7, 0.4)):
                name = technique.replace("x", "en-fr" if target == "en-de" else "en-de")
                hypotheses = corrupted([f"{line} {target}" for line in lines], share, seed)
                write_run(
                    folder / target,
                    f"{name}-seed{seed}",
                    hypotheses,
                    reference,
                    technique=name,
                    sparsity=sparsity,
                    seed=seed,
                )
    write_json(folder / "plan.json", {"targets": ["en-de", "en-fr"]})
    return folder


def test_the_report_command_knows_a_transfer_recipe(runs, capsys):
    report(runs, None, None)
    assert "| mask from en-fr |" in capsys.readouterr().out
    names = {str(path.relative_to(runs)) for path in runs.rglob("report/*")}
    assert {"report/table.md", "report/transfer.csv", "report/transfer.png", "report/transfer.svg"} <= names
    assert {"en-de/report/results.csv", "en-fr/report/bleu.svg"} <= names
    with pytest.raises(PruneError, match="takes no --data, --against or --published"):
        report(runs, runs, None)
    with pytest.raises(PruneError, match="takes no --data, --against or --published"):
        report(runs, None, ["slt"])


def test_an_unknown_target_is_named(runs):
    with pytest.raises(PruneError, match=r"toy has no runs on fr-de; repeat nmt-prune run"):
        write_transfer_report(runs, ["en-de", "fr-de"])


def test_a_target_whose_runs_are_not_scored_is_named(runs):
    for path in (runs / "en-fr").glob("*/scores.json"):
        path.unlink()
    with pytest.raises(PruneError, match=r"en-fr holds no run"):
        write_transfer_report(runs, ["en-de", "en-fr"])


def test_other_techniques_keep_their_names():
    found = TransferMatrix.of("m", {"a": results(*of_seeds("dense", 0, 1, 2), *of_seeds("reinit", 0.7, 1, 1))})
    assert found.rows == {"a": "mask from a", "reinit": "survivors re-initialised"}
    assert dataclasses.asdict(found)["controls"] == ("reinit",)
