"""Cleaning and subwords for a large corpus, against the usual pipeline on the same text.

The usual pipeline is that of fairseq's prepare-wmt14en2de.sh in its Python parts: sacremoses normalises punctuation and
tokenizes, subword-nmt applies BPE, and clean-corpus-n's limits (1 to 250 subwords, ratio 1.5) come last. Ours cleans
more: Unicode, encodings, held-out sentences, duplicates. Each measurement is a process of its own on one core, and
learning subwords is left out of both.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from data_prep.corpora import choose
from data_prep.corpora.plain import Plain
from data_prep.fetching import Fetching
from data_prep.pairs import Pair, write_sides
from data_prep.pipeline import Pipeline
from data_prep.preparation import Preparation
from nmt_prune.errors import PruneError
from tests.benchmarks.reporting import memory, report

LANGUAGES = ("en", "de")
VOCABULARY = 8_000
SMALL, LARGE, PEER = 100_000, 1_000_000, 20_000
ROUNDS = 3
MAX_LENGTH, MAX_RATIO = 250, 1.5
EN_FR_PAIRS = 40_000_000


def run() -> None:
    """Measures ours on 100 k and 1 M pairs, and the usual pipeline on the first 20 k of them, in turn."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        corpus = _write_text(folder, LARGE)
        _write_text(folder / "small", SMALL)
        rounds = [[_in_fresh_process(folder, who) for who in ("small", "peer")] for _ in range(ROUNDS)]
        large = _in_fresh_process(folder, "large")
    small, peer = (
        {key: statistics.median(measured[who][key] for measured in rounds) for key in rounds[0][who]} for who in (0, 1)
    )
    rows = [_row("ours, 1 M pairs", LARGE, large, peer), _row("ours, 100 k pairs", SMALL, small, peer)]
    rows.append(_row("usual pipeline", PEER, peer, peer))
    minutes = {cores: EN_FR_PAIRS / rows[0]["pairs/s"] / cores / 60 for cores in (2, 16)}
    report(
        "data_preparation",
        f"Cleaning and subwords of {corpus}, per core",
        ["pipeline", "pairs/s", "times usual", "peak MB"],
        [{**row, "rounds": rounds} for row in rows],
        "CPU seconds; small and usual: medians of 3, in turn. On paper, En-Fr's 40 M pairs, were they as short, take"
        f" {minutes[2]:.0f} minutes on 2 cores and {minutes[16]:.0f} on 16. Goal: at least 5 times the usual pipeline.",
    )


def _row(name: str, pairs: int, measured: dict[str, float], peer: dict[str, float]) -> dict[str, Any]:
    speed = pairs / measured["seconds"]
    return {
        "pipeline": name,
        "pairs/s": round(speed),
        "times usual": speed / (PEER / peer["seconds"]),
        "peak MB": round(measured["megabytes"]),
        **measured,
    }


def _write_text(folder: Path, size: int) -> str:
    """Repeats real text, each repetition with its number, so that it is no duplicate of the last."""
    folder.mkdir(exist_ok=True)
    for name in ("libreoffice-help", "numbers"):
        try:
            splits = choose(name).load((1_000, 1_000), Path("data"), lambda line: None)
            break
        except PruneError as error:
            print(error, file=sys.stderr)
    write_sides(splits.valid, folder, "valid", *LANGUAGES)
    write_sides(splits.test, folder, "test", *LANGUAGES)
    count = len(splits.train)
    pairs = (splits.train[number % count] for number in range(size))
    numbered = [Pair(*(f"{side} {number // count}" for side in pair)) for number, pair in enumerate(pairs)]
    write_sides(numbered, folder, "train", *LANGUAGES)
    words = sum(len(side.split()) for pair in splits.train for side in pair) / count / 2
    return f"{name} ({count:,} pairs of {words:.0f} words, repeated)"


def _in_fresh_process(folder: Path, who: str) -> dict[str, float]:
    command = [sys.executable, "-m", __name__, str(folder), who]
    # Learning BPE draws progress bars.
    errors = subprocess.DEVNULL if who == "peer" else None
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=errors, text=True).stdout)


def _measure_ours(folder: Path) -> float:
    corpus = Plain(**{part: str(folder / part) for part in ("train", "valid", "test")})
    preparation = Preparation.of(
        corpus,
        vocab_size=VOCABULARY,
        clean=True,
        max_length=MAX_LENGTH,
        max_ratio=MAX_RATIO,
        sample_size=150_000,
    )
    with tempfile.TemporaryDirectory(dir=folder) as work:
        pipeline = Pipeline(
            corpus, "plain", preparation, Path(work), Fetching(Path(work), lambda line: None), workers=1
        )
        seconds = -time.process_time()
        pipeline.clean.folder()
        seconds += time.process_time()
        pipeline.subwords.folder()
        seconds -= time.process_time()
        pipeline.encode.folder()
        return seconds + time.process_time()


def _measure_peer(folder: Path) -> float:
    from sacremoses import MosesPunctNormalizer, MosesTokenizer
    from subword_nmt.apply_bpe import BPE
    from subword_nmt.learn_bpe import learn_bpe

    texts = [(folder / f"train.{language}").open(encoding="utf-8") for language in LANGUAGES]
    lines = [[line.rstrip("\n") for line in islice(text, PEER)] for text in texts]
    normalisers = [MosesPunctNormalizer(language) for language in LANGUAGES]
    tokenizers = [MosesTokenizer(language) for language in LANGUAGES]

    def tokenize(line: str, side: int) -> str:
        return tokenizers[side].tokenize(
            normalisers[side].normalize(line), aggressive_dash_splits=True, return_str=True
        )

    codes = folder / "codes"
    with codes.open("w", encoding="utf-8") as file:
        learn_bpe([tokenize(line, side) for side in (0, 1) for line in lines[side][:5_000]], file, VOCABULARY)
    with codes.open(encoding="utf-8") as file:
        bpe = BPE(file)
    kept = 0
    begin = time.process_time()
    for pair in zip(*lines, strict=True):
        lengths = [len(bpe.process_line(tokenize(line, side)).split()) for side, line in enumerate(pair)]
        kept += min(lengths) > 0 and max(lengths) <= MAX_LENGTH and max(lengths) <= MAX_RATIO * min(lengths)
    return time.process_time() - begin


if __name__ == "__main__":
    place, pipeline_name = Path(sys.argv[1]), sys.argv[2]
    if pipeline_name == "peer":
        spent = _measure_peer(place)
    else:
        spent = _measure_ours(place / "small" if pipeline_name == "small" else place)
    print(json.dumps({"seconds": spent, "megabytes": memory("VmHWM") / 1e6}))
