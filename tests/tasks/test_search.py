"""From a trained model to good, random and bad subnetworks, pruned and retrained, by the commands of the README."""

import json
import statistics
from pathlib import Path

import pytest
import torch

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.cli import main
from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_file import load_masks
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.measuring.dev_set import load_dev_set
from nmt_prune.pruning.settings import PruningSettings
from nmt_prune.subnetworks.controls import SUBNETWORKS, bad_subnetwork, random_subnetwork
from nmt_prune.subnetworks.search import SearchSettings
from tests.tasks.training import Training, train

pytestmark = pytest.mark.slow

MODEL = (
    "--encoder-normalize-before --decoder-normalize-before --encoder-attention-heads 4 --decoder-attention-heads 4"
    " --encoder-embed-dim 64 --decoder-embed-dim 64 --encoder-ffn-embed-dim 128 --decoder-ffn-embed-dim 128"
    " --encoder-layers 2 --decoder-layers 2 --lr 0.005 --warmup-updates 60 --dropout 0 --max-tokens 1000 --clip-norm 0"
    " --adam-betas '(0.9,0.98)'"
).replace("'", "")


@pytest.fixture(scope="module")
def nmt_prune():
    """Runs ``nmt-prune`` in this process."""

    def call(*arguments: object) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["nmt-prune", *map(str, arguments)])
            try:
                main()
            except SystemExit as stop:
                assert not stop.code  # noqa: PT017

    return call


@pytest.fixture(scope="module")
def numbers(fairseq_starts_at_once, nmt_prune, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("numbers") / "numbers.en-de"
    sizes = ["--valid-size", 60, "--test-size", 60, "--vocab-size", 150, "--model-type", "bpe"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)  # where the stages of the data go, under the lock of whoever makes them
        nmt_prune("data", "numbers", "--out", folder, *sizes)
    return folder


@pytest.fixture(scope="module")
def trained(numbers, tmp_path_factory) -> Training:
    return train(numbers, tmp_path_factory.mktemp("trained"), MODEL, "--max-update 300 --rewind-points 0,40")


@pytest.fixture(scope="module")
def searches(nmt_prune, numbers, trained, tmp_path_factory) -> dict[str, Path]:
    """The folders of three searches."""
    folder, checkpoint = tmp_path_factory.mktemp("searches"), trained.folder / "checkpoint_last.pt"
    flags = {
        "sublayers": ["--keep", 0.8],
        "units": ["--ffn", "unit:normalise=true", "--drop", 2],
        "weights": ["--method", "m"],
    }
    for name, each in flags.items():
        out = folder / name
        nmt_prune("search", checkpoint, "--data", numbers, "--out", out, "--calibration-batches", 4, *each)
    return {name: folder / name for name in flags}


def steps(folder: Path) -> dict:
    return json.loads((folder / "steps.json").read_text())


def test_good_is_better_than_random_and_random_no_worse_than_bad(searches, numbers, trained):
    """Guards what holds for this model and these two searches, which were chosen because it does.

    It is no evidence for the paper's order: with whole sublayers, or by dev loss, it does not hold even here.
    """
    checkpoint = Checkpoint.load(trained.folder / "checkpoint_last.pt")
    dev = load_dev_set(checkpoint.path, numbers, SearchSettings())
    for name in ("units", "weights"):
        found = steps(searches[name])
        parts = SearchSettings(method=found["settings"]["method"], ffn=found["settings"]["ffn"]).parts(
            checkpoint.head_dim
        )
        good, start = load_masks(searches[name] / "good.safetensors")[0], MaskSet.dense(checkpoint.matrices)
        magnitudes = {prunable.name: weight.abs() for prunable, weight in checkpoint.matrices.items()}

        def bleu(masks: MaskSet) -> float:
            return dev.bleu(dev.evidence.probe(checkpoint.matrices, masks).model)

        seeds = range(1, 6)
        random = statistics.mean(bleu(random_subnetwork(good, start, parts, seed)) for seed in seeds)
        bad = statistics.mean(bleu(bad_subnetwork(good, start, parts, magnitudes, seed)) for seed in seeds)
        assert bleu(good) == pytest.approx(next(e["score"] for e in found["subnetworks"] if e["phase"] == "good"))
        assert bleu(good) >= found["limit"] > random >= bad, name


@pytest.mark.gpu
def test_a_search_measures_on_the_gpu(searches, numbers, trained):
    """Where there is one, searches take it by themselves, and so do the tests of this file."""
    dev = load_dev_set(trained.folder / "checkpoint_last.pt", numbers, SearchSettings())
    assert torch.device(dev.evidence.device).type == "cuda"
    assert all((out / "good.safetensors").exists() for out in searches.values())


@pytest.mark.parametrize("beam", [1, 3])
def test_dev_bleu_is_that_of_fairseq_generate(nmt_prune, numbers, trained, tmp_path, beam):
    checkpoint, out = trained.folder / "checkpoint_last.pt", tmp_path / "scores.json"
    flags = ["--subset", "valid", "--beam", beam, "--cpu", "--", "--max-len-a", 1.2, "--max-len-b", 10]
    nmt_prune("score", "--checkpoint", checkpoint, "--data", numbers, "--out", out, *flags)
    dev = load_dev_set(checkpoint, numbers, SearchSettings(beam=beam))
    found = dev.bleu(dev.evidence.model.eval())
    assert 60 < found < 100
    assert found == pytest.approx(json.loads(out.read_text())["bleu"])


def test_a_search_prunes_until_the_dev_score_falls(searches):
    for name, folder in searches.items():
        found = steps(folder)
        sizes = {load_masks(folder / f"{each}.safetensors")[0].sparsity() for each in SUBNETWORKS}
        assert len(sizes) == 1
        assert sizes.pop() > 0.05, name
        assert found["start"]["score"] > 60
    assert [step["phase"] for step in steps(searches["weights"])["steps"]].count("weights") <= 10


def test_pruned_and_retrained(searches, nmt_prune, numbers, trained, tmp_path):
    last, early = trained.folder / "checkpoint_last.pt", trained.folder / "rewind_40.pt"
    good = searches["units"] / "good.safetensors"
    left = {entry["phase"]: entry["left"] for entry in steps(searches["units"])["subnetworks"]}["good"]
    pruned = tmp_path / "good-pruned.pt"
    nmt_prune("ticket", "--mask-from", good, "--rewind-from", last, "--reset", "keep", "--out", pruned)
    masks = load_masks(good)[0]
    assert Checkpoint.load(pruned).masks == masks
    nmt_prune("score", "--checkpoint", pruned, "--data", numbers, "--out", tmp_path / "scores.json", "--cpu")
    assert json.loads((tmp_path / "scores.json").read_text())["bleu"] > 60
    nmt_prune("shrink", pruned, "--out", tmp_path / "small.pt")
    settings = Checkpoint.load(tmp_path / "small.pt").model_settings
    shrunk = {
        "encoder self-attention heads": "encoder_layer_heads",
        "decoder self-attention heads": "decoder_layer_heads",
        "decoder cross-attention heads": "decoder_layer_cross_heads",
        "encoder FFN units": "encoder_layer_ffn",
        "decoder FFN units": "decoder_layer_ffn",
    }
    assert {kind: sum(map(int, settings[widths].split(","))) for kind, widths in shrunk.items()} == left
    flags = f"--mask-from {good} --rewind-from {early} --reset rewind --max-update 60"
    retrained = train(numbers, tmp_path / "retrained", MODEL, flags)
    assert retrained.progress()[-1]["num_updates"] == 60
    assert Checkpoint.load(retrained.folder / "checkpoint_last.pt").masks == masks


def test_a_mask_of_another_depth_is_refused(searches, numbers, tmp_path):
    deep = train(numbers, tmp_path / "deep", MODEL, "--encoder-layers 3 --max-update 1")
    settings = PruningSettings(
        mask_from=str(searches["units"] / "good.safetensors"),
        rewind_from=str(deep.folder / "checkpoint_last.pt"),
    )
    with pytest.raises(PruneError, match=r"good\.safetensors: encoder\.layers\.2\.\S+ is missing there and .* in the"):
        settings.ticket()
