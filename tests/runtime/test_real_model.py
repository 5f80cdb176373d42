"""A model that was trained translates raw text as fairseq-generate translates its binarized form."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from data_prep.corpora import choose
from data_prep.data_folder import prepare
from data_prep.download.fetching import Fetching
from data_prep.preparation import Preparation
from nmt_prune.checkpoints import Checkpoint
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.evaluation.quality.text import read_lines
from nmt_prune.evaluation.quality.translation import Decoding, generate_command, run_fairseq, translate
from nmt_prune.runtime.loading import load_model
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.runtime.translator import Translator
from nmt_prune.storage.checkpoints.from_checkpoint import compact_model
from nmt_prune.storage.format.compact_file import save_compact
from tests import programs

pytestmark = pytest.mark.slow

MODEL = (
    "--arch transformer --share-all-embeddings --encoder-layers 2 --decoder-layers 2 --encoder-embed-dim 32"
    " --decoder-embed-dim 32 --encoder-ffn-embed-dim 64 --decoder-ffn-embed-dim 64 --encoder-attention-heads 4"
    " --decoder-attention-heads 4 --optimizer adam --lr 0.005 --max-tokens 1000 --max-update 150 --cpu --seed 1"
    " --no-epoch-checkpoints --disable-validation --no-progress-bar"
)


@pytest.fixture(scope="module")
def data(fairseq_starts_at_once, tmp_path_factory) -> Path:
    corpus = choose("numbers", size=2000, valid_size=8, test_size=40)
    folder = tmp_path_factory.mktemp("data") / "numbers.en-de"
    preparation = Preparation.of(corpus, vocab_size=150)
    prepare(corpus, preparation, folder, fetching=Fetching(folder.parent / "cache", lambda line: None))
    return folder


@pytest.fixture(scope="module")
def checkpoint(data) -> Path:
    command = [sys.executable, "-m", "fairseq_cli.train", str(data), "--save-dir", str(data.parent), *MODEL.split()]
    done = programs.run(command)
    assert done.returncode == 0, done.stderr[-2000:]
    return data.parent / "checkpoint_last.pt"


@pytest.fixture(scope="module")
def packed(checkpoint) -> Path:
    path = checkpoint.with_name("model.nmt")
    save_compact(compact_model(Checkpoint.load(checkpoint)), path)
    return path


@pytest.fixture(params=["torch", "compiled"])
def engine(request) -> str:
    if request.param == "compiled":
        pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine was not built")
    return request.param


def test_the_command_prints_the_lines_of_fairseq_generate(data, checkpoint, packed, engine):
    expected = translate(Checkpoint.load(checkpoint), Subset.find(data, "test"), Decoding(lenpen=0.8)).lines
    assert len(set(expected)) > 10
    source = (data / "raw" / "test.en").read_bytes()
    for model in (checkpoint, packed):
        flags = [str(model), "--lenpen", "0.8", "--batch-size", "7", "--engine", engine]
        command = [sys.executable, "-m", "nmt_prune.cli", "translate", *flags]
        process = subprocess.run(command, input=source, capture_output=True, check=True)
        assert process.stdout.decode().splitlines() == expected
        assert process.stderr == b""


def test_hypotheses_scores_and_subwords(data, checkpoint, packed, engine, tmp_path):
    flags = ("--nbest", "4", "--unkpen", "0.5", "--max-len-a", "1.5", "--max-len-b", "5", "--max-sentences", "1")
    expected = fairseq_hypotheses(data, checkpoint, flags, tmp_path)
    options = SearchOptions(nbest=4, unkpen=0.5, max_len_a=1.5, max_len_b=5)
    results = list(Translator(packed, engine, threads=2).translate_lines(read_lines(data / "raw" / "test.en"), options))
    assert [(result.lines, result.scores) for result in results] == [
        (lines, pytest.approx(scores, abs=1e-4)) for lines, scores in expected
    ]
    assert "".join(results[0].tokens[0]).replace("▁", " ").strip() == results[0].lines[0]


def fairseq_hypotheses(data: Path, checkpoint: Path, flags: Any, folder: Path) -> list[tuple[list[str], list[float]]]:
    """Lines and scores, which fairseq prints as logarithms to base 2, of each sentence."""
    command = generate_command(
        checkpoint, Subset.find(data, "test"), Decoding(remove_bpe="sentencepiece", extra=flags), folder
    )
    run_fairseq(command, str(checkpoint), {"OMP_NUM_THREADS": "1"})
    found: dict[int, tuple[list[str], list[float]]] = {}
    output = (folder / "generate-test.txt").read_text(encoding="utf-8")
    for number, score, line in re.findall(r"^D-(\d+)\t([^\t]+)\t(.*)$", output, re.MULTILINE):
        lines, scores = found.setdefault(int(number), ([], []))
        lines.append(line)
        scores.append(float(score) * math.log(2))
    return [found[number] for number in sorted(found)]


def test_a_compact_file_says_what_its_checkpoint_says(data, checkpoint, packed):
    assert json.dumps(load_model(packed).text) == json.dumps(load_model(checkpoint).text)
    line = ["seven hundred and twelve"]
    assert list(Translator(packed, "torch").translate_lines(line)) == list(
        Translator(checkpoint, "torch", data=data).translate_lines(line)
    )


def test_unusual_lines(packed, engine):
    lines = ["seven", "", "x" * 100_000, "seven " * 20_000, "☃ seven", "seven\u2028", "\ufffd"]
    results = list(Translator(packed, engine).translate_lines(lines))
    seven = results[0].lines[0]
    assert seven
    assert results[5].lines == [seven]
    assert results[1].lines == [""]
    for result in results[2:4]:
        assert result.lines == []
        assert "more than the 1024 that the model can read" in result.problem
    assert all(len(result.lines) == 1 for result in (results[4], results[6]))
