"""Analyses of runs whose masks, weights and translations are known."""

from pathlib import Path

import pytest
import sacrebleu
import torch

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.analyses import analyse
from nmt_prune.evaluation.analysis.stored import read_analyses
from nmt_prune.evaluation.quality.text import write_lines
from nmt_prune.evaluation.records.scored_runs import read_runs
from nmt_prune.evaluation.report import sections
from tests.evaluation.corpus import gathered, write_run

REFERENCES = ["der Hund", "die Katze sieht das Haus", "der Hund sieht die alte Katze und das Haus hat kein Buch", "ja"]
WORSE = ["der Hund", "die Katze sieht ein Haus", "der Hund sieht die Katze und das Haus hat kein Buch", "nein"]


def save(path: Path, rows: dict[int, float]) -> None:
    """A checkpoint of one 4 × 4 matrix: these rows have these values, the others are pruned."""
    weight = torch.zeros(4, 4)
    for row, value in rows.items():
        weight[row] = value
    torch.save({"model": {"encoder.layers.0.fc1.weight": weight}, "extra_state": {}}, path)


@pytest.fixture
def runs(tmp_path) -> Path:
    folder, reference = tmp_path / "runs/toy", tmp_path / "data/raw/test.de"
    write_lines(reference, REFERENCES)

    def run(
        technique: str, sparsity: float, seed: int, rows: dict[int, float], lines: list[str], **pruning: str
    ) -> Path:
        name = f"{technique}-{100 * sparsity:g}-seed{seed}"
        settings = {"pruning": pruning}
        made = write_run(
            folder, name, lines, reference, technique=technique, sparsity=sparsity, seed=seed, settings=settings
        )
        save(made / "checkpoint_best.pt", rows)
        return made

    for seed in (1, 2):
        dense = run("dense", 0.0, seed, dict.fromkeys(range(4), 4.0), REFERENCES)
        save(dense / "rewind_0.pt", dict.fromkeys(range(4), 1.0))
        save(dense / "rewind_3.pt", dict.fromkeys(range(4), -1.0))
    rewound = {"rewind_from": "dense-0-seed1/rewind_3.pt"}
    run("slt", 0.5, 1, {0: -2.0, 1: 2.0}, WORSE, **rewound)
    run("slt", 0.5, 2, {1: 2.0, 2: -6.0}, REFERENCES)
    run("slt", 0.75, 1, {0: -3.0}, WORSE, **rewound)
    run("mp", 0.5, 1, {0: 2.0, 1: 2.0}, WORSE)
    return folder


def table(text: str, heading: str = "") -> list[list[str]]:
    """Rows of the table under a heading."""
    lines = text[text.index(heading) :].split("\n\n")[1].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_overlap_over_seeds_techniques_and_rungs(runs):
    text, _ = analyse("overlap", runs)
    assert table(text, "## Overlap of tickets over seeds") == [
        ["SLT", "50 %", "1", "0.333", "0.333", "0.500", "0.500", "1.000"]
    ]
    assert table(text, "## Overlap of tickets over techniques") == [
        ["MP and SLT", "50 %", "1", "1.000", "0.333", "1.000", "0.500", "0.500"]
    ]
    assert table(text, "## Overlap of tickets over rungs") == [
        ["SLT", "50 % to 75 %", "1", "0.500", "0.200", "1.000", "0.500", "1.000"]
    ]


def test_signs_since_both_points(runs):
    assert table(analyse("signs", runs)[0]) == [
        ["MP", "50 %", "1", "0.0%", "–"],
        ["SLT", "50 %", "2", "50.0%", "50.0%"],  # of seed 2 no point is known that it was rewound to
        ["SLT", "75 %", "1", "100.0%", "0.0%"],
    ]


def test_growth_beside_the_same_weights_before(runs):
    assert table(analyse("growth", runs)[0]) == [
        ["MP", "50 %", "1", "2", "2", "2", "0.5"],
        ["SLT", "50 %", "2", "3", "4", "3", "0.75"],
        ["SLT", "75 %", "1", "3", "3", "3", "0.75"],
    ]


def test_density_is_a_heat_map(runs):
    text, _ = analyse("density", runs)
    assert table(text, "## Density of SLT at 75 %") == [["encoder 1", "25.0%"]]
    assert [dict(section.table.shades) for section in read_analyses(read_runs(runs))] == [{(0, 1): 0.5}, {(0, 1): 0.25}]


def test_where_bleu_is_lost(runs):
    text, _ = analyse("losses", runs)
    lengths = table(text, "## BLEU by length of the sentence")
    assert lengths[0] == ["dense", "0 %", "100.0", "100.0"]
    expected = [sacrebleu.corpus_bleu([WORSE[2]], [[REFERENCES[2]]]).score]
    expected.insert(0, sacrebleu.corpus_bleu([WORSE[i] for i in (0, 1, 3)], [[REFERENCES[i] for i in (0, 1, 3)]]).score)
    assert lengths[1] == ["MP", "50 %", *(f"{score:.1f}" for score in expected)]
    # Once: alte, und, hat, kein, Buch, ja; of these the system has und, hat, kein, Buch.
    frequencies = table(text, "## Words by frequency")
    assert frequencies[1][2] == f"{100 * 2 * 4 / (4 + 6):.1f}"
    assert frequencies[0][2:] == ["100.0"] * (len(frequencies[0]) - 2)
    won = table(text, "## Sentences won and lost")
    assert [line[:5] for line in won[:2]] == [
        ["MP", "50 %", "0.0%", "25.0%", "75.0%"],
        ["SLT", "50 %", "0.0%", "62.5%", "37.5%"],
    ]
    assert won[0][5] == "–"


def test_the_report_has_them_while_they_are_of_the_same_scores(runs):
    analyse("signs", runs)
    found = read_analyses(read_runs(runs))
    assert [section.heading for section in sections(gathered(runs), analyses=found)][-1] == "Changes of sign"
    (runs / "mp-50-seed1/scores.json").unlink()
    (stale,) = read_analyses(read_runs(runs))
    assert (stale.table, stale.text) == (None, "Runs were added or scored since; repeat `nmt-prune analyse signs`.")


def test_what_is_missing_is_named(runs):
    (runs / "report/analysis").mkdir(parents=True)
    (runs / "report/analysis/signs.json").write_text("{}")
    with pytest.raises(PruneError, match=r"signs\.json is no analysis; delete it or repeat nmt-prune analyse signs"):
        read_analyses(read_runs(runs))
    for checkpoint in runs.glob("*/checkpoint_best.pt"):
        checkpoint.unlink()
    with pytest.raises(PruneError, match="holds no pruned run with its checkpoint; give a folder that has them"):
        analyse("growth", runs)
    assert analyse("losses", runs)[1].is_file()
