"""A made-up test set, systems of known quality on it, and run folders that hold them."""

import random
from dataclasses import asdict
from pathlib import Path

from nmt_prune.evaluation.costs.speeds import read_speeds
from nmt_prune.evaluation.quality.scores import score
from nmt_prune.evaluation.quality.text import digest, write_lines
from nmt_prune.evaluation.records.run import ScoreRecord
from nmt_prune.evaluation.records.scored_runs import read_runs
from nmt_prune.evaluation.reports.gathering import gather
from nmt_prune.evaluation.reports.results import Results
from nmt_prune.files import write_json


def references(sentences: int = 200) -> list[str]:
    words = ["der", "die", "das", "Hund", "Katze", "Haus", "sieht", "hat", "kein", "Buch", "und", "grün", "alt"]
    generator = random.Random(0)
    return [" ".join(generator.choices(words, k=12)) + "." for _ in range(sentences)]


def corrupted(lines: list[str], share: float, seed: int) -> list[str]:
    """Replaces a share of the words."""
    generator = random.Random(seed)
    return [" ".join("falsch" if generator.random() < share else word for word in line.split()) for line in lines]


def write_run(
    recipe: Path, name: str, hypotheses: list[str], reference: Path, *, scores: dict | None = None, **run: object
) -> Path:
    """Writes the folder of a scored run."""
    folder = recipe / name
    lines = reference.read_text(encoding="utf-8").splitlines()
    description = {"technique": "mp", "sparsity": 0.5, "seed": 1, "updates": 800, "total_updates": 800, **run}
    write_json(folder / "run.json", {"name": name, "parent": None, "settings": {}, **description})
    sparsity = description["sparsity"]
    record = ScoreRecord(
        subset="test",
        **asdict(score(hypotheses, lines)),
        dev_bleu=30.5,
        dev_bleu_from="training",
        sparsity={"prunable": sparsity, "all": 0.9 * sparsity, "body": sparsity},
        seconds=1.0,
        checkpoint="checkpoint_best.pt",
        data="toy.en-de",
        reference=str(reference),
        reference_sha256=digest(reference),
        sentences=len(lines),
        beam=5,
        lenpen=1.0,
    )
    write_json(folder / "scores.json", asdict(record) | (scores or {}))
    write_lines(folder / "hypotheses.test.txt", hypotheses)
    return folder


def gathered(folder: Path, data: Path | None = None) -> Results:
    """The results of a folder of runs, with the speeds that were measured."""
    runs = read_runs(folder)
    return gather(runs, read_speeds(runs), data)
