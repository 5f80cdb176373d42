"""Masks for another vocabulary."""

import pytest
import torch

from nmt_prune.dictionaries import SPECIAL, read_dictionaries, read_symbols
from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_file import save_masks
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import prunable_matrices
from nmt_prune.masks.transfer import transfer
from nmt_prune.settings import PruningSettings
from tests.toy import VOCABULARY, toy_model, toy_state

PRUNABLES = list(prunable_matrices(toy_model()))
EMBEDDING = "encoder.embed_tokens.weight"
KNOWN = [*SPECIAL, "▁a", "▁b", "▁c", "▁d", "▁e", "▁f", "▁g"]
OTHER = [*SPECIAL, "▁x", "▁c", "▁a", "▁y"]


def both(symbols):
    return {"encoder": symbols, "decoder": symbols}


@pytest.fixture
def masks():
    return MaskSet({prunable: torch.rand(prunable.shape) < 0.5 for prunable in PRUNABLES})


def test_layers_stay_and_embedding_rows_follow_their_subwords(masks):
    moved = transfer(masks, both(KNOWN), both(OTHER))
    rows = masks[EMBEDDING]
    expected = torch.stack(
        [*rows[:4], torch.ones(8, dtype=torch.bool), rows[6], rows[4], torch.ones(8, dtype=torch.bool)]
    )
    assert torch.equal(moved.masks[EMBEDDING], expected)
    assert moved.matched == {EMBEDDING: 6}
    for prunable in PRUNABLES:
        if prunable.in_body:
            assert torch.equal(moved.masks[prunable.name], masks[prunable.name])
    (embedding,) = (prunable for prunable in moved.masks.prunables if not prunable.in_body)
    assert (embedding.shape, embedding.padding_row, len(embedding.aliases)) == ((8, 8), 1, 2)


def test_the_same_dictionaries_change_nothing(masks):
    assert transfer(masks, both(KNOWN), both(KNOWN)).masks == masks


def test_embeddings_can_be_left_out(masks):
    moved = transfer(masks, both(KNOWN), both(OTHER), "dense")
    assert moved.masks[EMBEDDING].all()
    assert moved.matched == {EMBEDDING: 0}


def test_nothing_in_common_is_dense_but_for_the_special_symbols(masks):
    moved = transfer(masks, both(KNOWN), both([*SPECIAL, "▁z"]))
    assert moved.masks[EMBEDDING][4:].all()
    assert torch.equal(moved.masks[EMBEDDING][:4], masks[EMBEDDING][:4])


def test_the_dictionary_must_be_that_of_the_masks_model(masks):
    with pytest.raises(PruneError, match=rf"{VOCABULARY} rows and the dictionary it should be of 8 symbols"):
        transfer(masks, both(OTHER), both(KNOWN))


def test_dictionaries_are_read_by_stack_in_the_order_of_the_rows(tmp_path):
    (tmp_path / "train.en-de.en.idx").touch()
    (tmp_path / "dict.en.txt").write_text("▁a 10\n▁b 3\n\u2028 2\nmadeupword0000 0\n", encoding="utf-8")
    (tmp_path / "dict.de.txt").write_text("▁ä 1\n<s> 5 #fairseq:overwrite\n", encoding="utf-8")
    assert read_dictionaries(tmp_path) == {
        "encoder": [*SPECIAL, "▁a", "▁b", "\u2028", "madeupword0000"],
        "decoder": [*SPECIAL, "▁ä", "<s>"],
    }


def test_what_is_no_dictionary_or_data_folder_is_refused_by_name(tmp_path):
    with pytest.raises(PruneError, match="has no binarized text"):
        read_dictionaries(tmp_path)
    with pytest.raises(PruneError, match=r"dict\.en\.txt does not exist"):
        read_symbols(tmp_path / "dict.en.txt")
    (tmp_path / "dict.en.txt").write_text("▁a 10\n▁b\n", encoding="utf-8")
    with pytest.raises(PruneError, match=r"dict\.en\.txt, line 2: expected a symbol and its count"):
        read_symbols(tmp_path / "dict.en.txt")


def test_a_mask_of_another_depth_fits_no_model(tmp_path):
    state = toy_state()
    weights = state["model"]
    below = [name for name in weights if name.startswith("encoder.layers.0.")]
    deeper = weights | {name.replace("layers.0", "layers.1"): weights[name] for name in below}
    masks = MaskSet({p: torch.ones(p.shape, dtype=torch.bool) for p in prunable_matrices(deeper)})
    save_masks(transfer(masks, both(KNOWN), both(KNOWN)).masks, tmp_path / "deeper.safetensors", {})
    torch.save(state, tmp_path / "toy.pt")
    settings = PruningSettings(str(tmp_path / "deeper.safetensors"), str(tmp_path / "toy.pt"), reset="rewind")
    with pytest.raises(PruneError, match=r"deeper\.safetensors.*encoder\.layers\.1\."):
        settings.ticket()
