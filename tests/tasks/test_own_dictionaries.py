"""A dictionary of the same size and other words is another model's."""

import shutil
from pathlib import Path

import pytest

from nmt_prune.checkpoints import Checkpoint, save
from nmt_prune.checkpoints.own_dictionaries import KEY, own
from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.joining import joining
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.masks.mask_file import load_masks, save_masks
from nmt_prune.measuring.checkpoints import checkpoint_evidence
from nmt_prune.pruning.settings import PruningSettings
from nmt_prune.storage.checkpoints.from_checkpoint import compact_model
from nmt_prune.storage.checkpoints.to_checkpoint import checkpoint_state
from nmt_prune.storage.format.compact_file import load_compact, save_compact
from nmt_prune.storage.model.splitting import AS_FOUND
from tests.tasks.training import load, train

WORDS = r"its source dictionary is not the one that .* was trained with"


@pytest.fixture
def others(corpus, tmp_path) -> Path:
    """The corpus with two words of its dictionary in each other's place."""
    folder = tmp_path / "others"
    shutil.copytree(corpus, folder)
    for path in folder.glob("dict.*.txt"):
        first, second, *rest = path.read_text().splitlines(keepends=True)
        path.write_text("".join([second, first, *rest]))
    return folder


@pytest.fixture
def checkpoint(dense) -> Path:
    return dense.folder / "checkpoint_last.pt"


@pytest.fixture
def mask(checkpoint, tmp_path) -> Path:
    settings = PruningSettings(mask_from=str(checkpoint), sparsity=0.5)
    trained, alive = settings.load_mask_source()
    masks, _ = settings.find_masks(trained, alive)
    save_masks(masks, tmp_path / "m.safetensors", settings.provenance(trained))
    return tmp_path / "m.safetensors"


def test_data_of_another_dictionary_is_refused(checkpoint, others):
    with pytest.raises(PruneError, match=f"--data {others}: {WORDS}"):
        compact_model(Checkpoint.load(checkpoint), others)
    with pytest.raises(PruneError, match=WORDS):
        checkpoint_evidence(checkpoint, others, 1, 1)
    subset = Subset(others, "test", "en", "de", others)
    with pytest.raises(PruneError, match=WORDS):
        joining(Checkpoint.load(checkpoint), subset, None, (), AS_FOUND)


@pytest.mark.parametrize("flag", ["--mask-from", "--finetune-from-model", "--restore-file"])
def test_a_training_starts_from_its_own_words(checkpoint, others, tmp_path, flag):
    with pytest.raises(SystemExit):
        train(others, tmp_path / "run", flag, checkpoint, "--sparsity 0.5" if flag == "--mask-from" else "")
    assert not list((tmp_path / "run").glob("*.pt"))


def test_a_mask_file_knows_its_words(mask, corpus, others, tmp_path):
    with pytest.raises(SystemExit):
        train(others, tmp_path / "run", "--mask-from", mask)
    train(corpus, tmp_path / "same", "--mask-from", mask, "--max-update 1")
    assert load_masks(mask)[1][KEY] == own(Checkpoint.load(tmp_path / "same/checkpoint_last.pt"))


def test_tickets_rewind_points_and_unpacked_models_know_their_words(dense, checkpoint, corpus, tmp_path):
    """Wherever their data folder has gone."""
    known = own(Checkpoint.load(checkpoint))
    assert known is not None
    state, _ = PruningSettings(mask_from=str(checkpoint), sparsity=0.5, reset="keep").ticket()
    save_compact(compact_model(Checkpoint.load(checkpoint), corpus), tmp_path / "m.nmt")
    unpacked = checkpoint_state(load_compact(tmp_path / "m.nmt"), "m.nmt")
    for made in (state, unpacked, load(dense.folder / "rewind_4.pt"), load(checkpoint)):
        assert made["task_state"][KEY] == known


def test_what_cannot_be_compared_is_said(checkpoint, corpus, tmp_path):
    state = load(checkpoint)
    state["task_state"] = {}
    save(state, tmp_path / "stock.pt")
    assert own(Checkpoint.load(tmp_path / "stock.pt")) == own(Checkpoint.load(checkpoint))
    state["cfg"]["task"]["data"] = str(tmp_path / "gone")
    save(state, tmp_path / "stock.pt")
    with pytest.warns(RuntimeWarning, match="cannot be checked: the data folder of its training is gone"):
        compact_model(Checkpoint.load(tmp_path / "stock.pt"), corpus)
