"""A corpus that a tiny model sees in a second: English number words and German ones, in reverse order."""

import random
from collections.abc import Sequence
from pathlib import Path

from fairseq_cli import preprocess

from tests.tasks.fairseq_command import run

ENGLISH = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
GERMAN = ["null", "eins", "zwei", "drei", "vier", "fuenf", "sechs", "sieben", "acht", "neun"]
# Enough for 24 updates: from the second epoch on a resumed training of fairseq's sees other batches than a whole one.
SIZES = {"train": 800, "valid": 12, "test": 6}


def make_corpus(folder: Path, target: str = "de", words: Sequence[str] = GERMAN) -> Path:
    """Writes and binarizes the corpus with a joined dictionary; returns the binarized folder.

    Args:
        folder: where to.
        target: the target language.
        words: its ten digits.
    """
    chance = random.Random(1)
    for subset, size in SIZES.items():
        numbers = [[chance.randrange(10) for _ in range(chance.randint(2, 6))] for _ in range(size)]
        english = (" ".join(ENGLISH[digit] for digit in number) for number in numbers)
        german = (" ".join(words[digit] for digit in reversed(number)) for number in numbers)
        (folder / f"{subset}.en").write_text("".join(f"{line}\n" for line in english))
        (folder / f"{subset}.{target}").write_text("".join(f"{line}\n" for line in german), encoding="utf-8")
    prefixes = [f"--{subset}pref={folder / subset}" for subset in SIZES]
    languages = ["--source-lang", "en", "--target-lang", target, "--joined-dictionary"]
    run(preprocess.cli_main, *languages, *prefixes, "--destdir", folder / "bin", "--workers", 1)
    return folder / "bin"
