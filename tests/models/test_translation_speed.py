"""Speed of a real ticket beside its real dense model."""

import sys
from pathlib import Path

import pytest
import torch
from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf

from nmt_prune.checkpoints import Checkpoint, save
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.evaluation.quality.translation import Decoding, generate_command
from nmt_prune.measuring import translation_speed
from nmt_prune.measuring.translation_speed import measure
from tests.models.shrinking import translations
from tests.tasks.corpus import SIZES as SENTENCES

pytestmark = pytest.mark.slow


@pytest.fixture
def speeds(corpus, dense, tmp_path):
    def run(*runs: Path) -> dict:
        subset = Subset(corpus, "test", "en", "de", tmp_path / "unused")
        paths = Path(":".join(map(str, (dense.folder / "checkpoint_last.pt", *runs))))
        decoding = Decoding(beam=3, cpu=True, extra=("--batch-size", "4", "--max-len-b", "20"))
        arguments = generate_command(paths, subset, decoding, tmp_path)[3:]
        parsed = options.parse_args_and_arch(options.get_generation_parser(), arguments)
        return measure(convert_namespace_to_omegaconf(parsed))

    return run


def written(corpus, path: Path) -> int:
    """Tokens that fairseq writes, ends of sentences included."""
    return sum(len(tokens) for tokens, _ in translations(corpus, path)[::3])


def test_all_translate_the_whole_test_set(speeds, corpus, dense, pruned):
    pytest.importorskip("ctranslate2")
    pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine was not built")
    found = speeds(pruned.folder / "checkpoint_last.pt")
    assert found["engine"].startswith("compiled, ")
    (run,) = found["runs"]
    assert (run["sentences"], run["notes"]) == (SENTENCES["test"], [])
    names = {"dense_fairseq", "dense_ctranslate2_int8", "dense_int8", "packed", "packed_int8"}
    assert run["systems"].keys() == names
    assert all(system["cpu_seconds"] > 0 and system["tokens"] > 0 for system in run["systems"].values())
    assert run["systems"]["dense_fairseq"]["tokens"] == written(corpus, dense.folder / "checkpoint_last.pt")
    assert run["systems"]["packed"]["tokens"] == written(corpus, pruned.folder / "checkpoint_last.pt")


def test_what_is_missing_is_said(speeds, pruned, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nmt_prune.runtime.compiled", None)
    monkeypatch.setattr("nmt_prune.evaluation.costs.exports.find_spec", lambda name: None)
    state = Checkpoint.load(pruned.folder / "checkpoint_last.pt").state
    save({**state, "model": {"encoder.embed_tokens.weight": torch.zeros(4, 4)}}, tmp_path / "other.pt")
    found = speeds(pruned.folder / "checkpoint_last.pt", tmp_path / "other.pt")
    in_torch, other = found["runs"]
    assert found["engine"] == "torch"
    assert in_torch["systems"].keys() == {"dense_fairseq", "packed"}
    assert in_torch["notes"] == [
        "the compiled engine was not built: packed models are translated with torch in fp32",
        "CTranslate2 is not installed (pip install 'nmt-prune[export]')",
    ]
    assert other["systems"] == {}
    assert other["notes"][0].startswith("not packed: ")


def test_enough_is_enough(speeds, pruned, monkeypatch):
    monkeypatch.setattr(translation_speed, "ENOUGH_SECONDS", 0.0)
    (run,) = speeds(pruned.folder / "checkpoint_last.pt")["runs"]
    assert 0 < run["sentences"] <= 4
