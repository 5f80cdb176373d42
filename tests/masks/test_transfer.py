"""Masks for another vocabulary."""

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_file import save_masks
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import prunable_matrices
from nmt_prune.masks.transfer import transfer, transfer_weights
from nmt_prune.pruning.settings import PruningSettings
from nmt_prune.text.dictionaries import SPECIAL, read_dictionaries, read_symbols
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
    for language in ("en", "de"):
        (tmp_path / f"train.en-de.{language}.idx").touch()
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


def states() -> tuple[dict, dict]:
    """A parent's state dict, and one of the target's with another vocabulary."""
    onto = toy_state(seed=2)["model"]
    names = [name for name, tensor in onto.items() if tensor.shape[0] == VOCABULARY]
    return toy_state(seed=1)["model"], onto | dict.fromkeys(names, onto[EMBEDDING][: len(OTHER)].clone())


def test_weights_are_the_parents_but_for_subwords_that_it_does_not_know():
    parent, onto = states()
    weights, matched = transfer_weights(parent, onto, both(KNOWN), both(OTHER))
    rows = [*parent[EMBEDDING][:4], onto[EMBEDDING][4], parent[EMBEDDING][6], parent[EMBEDDING][4], onto[EMBEDDING][7]]
    assert matched == {EMBEDDING: 6}
    assert weights.keys() == onto.keys()
    for name, tensor in weights.items():
        assert torch.equal(tensor, torch.stack(rows) if parent[name].shape[0] == VOCABULARY else parent[name])
    left_out, _ = transfer_weights(parent, onto, both(KNOWN), both(OTHER), "dense")
    assert torch.equal(left_out[EMBEDDING], onto[EMBEDDING])


def test_weights_of_another_architecture_or_dictionary_are_refused():
    parent, onto = states()
    name = "encoder.layers.0.fc1.weight"
    with pytest.raises(PruneError, match=rf"another architecture: {name} is missing there and \(12, 8\) in"):
        transfer_weights({key: value for key, value in parent.items() if key != name}, onto, both(KNOWN), both(OTHER))
    with pytest.raises(PruneError, match=rf"{name} is \(3, 8\) there and \(12, 8\) in the target's model"):
        transfer_weights(parent | {name: torch.ones(3, 8)}, onto, both(KNOWN), both(OTHER))
    for dictionaries in ((both(OTHER), both(OTHER)), (both(KNOWN), both(KNOWN))):
        with pytest.raises(PruneError, match="rows and the dictionary it should be of"):
            transfer_weights(parent, onto, *dictionaries)
