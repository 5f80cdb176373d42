"""The set of masks: what it accepts, how it counts, when two are equal."""

import hashlib

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable, parse

EMBEDDING, FC1 = "encoder.embed_tokens.weight", "encoder.layers.0.fc1.weight"


def prunable(name: str, *shape: int) -> Prunable:
    found = parse(name, shape)
    assert found is not None
    return found


@pytest.fixture
def masks() -> MaskSet:
    """An embedding of 4 words x 3 with the padding row 1, of which 9 weights count; a matrix 2 x 5."""
    embedding = torch.tensor([[1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 1]]).bool()
    matrix = torch.tensor([[1, 0, 0, 0, 0], [1, 1, 1, 0, 0]]).bool()
    return MaskSet({prunable(EMBEDDING, 4, 3): embedding, prunable(FC1, 2, 5): matrix})


def test_the_padding_row_always_exists_and_counts_nowhere(masks):
    embedding, matrix = masks.prunables
    assert masks[EMBEDDING].tolist() == [[True, False, False], [True] * 3, [True, True, False], [False, False, True]]
    assert (embedding.size, matrix.size) == (9, 10)
    assert (masks.kept(embedding), masks.kept(matrix)) == (4, 4)
    assert not masks.candidates(embedding)[1].any()
    assert int(masks.candidates(embedding).sum()) == 4


def test_the_callers_tensor_is_not_changed_for_the_padding_row():
    given = torch.zeros(4, 3, dtype=torch.bool)
    MaskSet({prunable(EMBEDDING, 4, 3): given})
    assert not given.any()


def test_sparsity_is_over_what_counts(masks):
    embedding, matrix = masks.prunables
    assert masks.sparsity() == pytest.approx(11 / 19)
    assert masks.sparsity([embedding]) == pytest.approx(5 / 9)
    assert masks.sparsity([matrix]) == pytest.approx(6 / 10)
    assert masks.sparsity([]) == 0


def test_dense(masks):
    dense = MaskSet.dense(masks.prunables)
    assert dense.sparsity() == 0
    assert dense[FC1].all()
    assert (list(dense), len(dense)) == ([EMBEDDING, FC1], 2)


@pytest.mark.parametrize(
    "mask", [torch.ones(5, 2).bool(), torch.ones(2, 5), torch.ones(10).bool()], ids=["shape", "type", "flat"]
)
def test_a_mask_of_another_shape_or_type_is_refused_by_name(mask):
    with pytest.raises(PruneError, match=r"the mask of encoder\.layers\.0\.fc1\.weight is .*\(2, 5\)"):
        MaskSet({prunable(FC1, 2, 5): mask})


def test_equality_is_of_names_and_bits(masks):
    other = MaskSet({prunable: masks[prunable.name].clone() for prunable in reversed(masks.prunables)})
    assert masks == other
    assert masks.digest() == other.digest()
    other[FC1][0, 1] = True
    assert masks != other
    assert masks.digest() != other.digest()
    assert masks != MaskSet.dense(masks.prunables[:1])
    assert masks != "something else"


def test_the_digest_is_the_hash_of_names_shapes_and_packed_bits(masks):
    # Row-major bits, first weight highest: 100 111 110 001 0000 and 10000 11100 000000.
    packed = bytes([0b10011111, 0b00010000]), bytes([0b10000111, 0b00000000])
    text = f"{EMBEDDING} (4, 3)\n".encode() + packed[0] + f"{FC1} (2, 5)\n".encode() + packed[1]
    assert masks.digest() == hashlib.sha256(text).hexdigest()


def test_equal_bits_in_another_shape_have_another_digest():
    sets = [MaskSet({prunable(FC1, *shape): torch.ones(shape, dtype=torch.bool)}) for shape in ((2, 8), (4, 4))]
    assert sets[0].digest() != sets[1].digest()


def test_masks_match_only_their_own_matrices(masks):
    embedding, matrix = masks.prunables
    masks.check_matches([matrix, embedding], "m.safetensors")
    with pytest.raises(PruneError, match=r"m\.safetensors: encoder\.layers\.0\.fc1\.weight is \(2, 5\) .*missing"):
        masks.check_matches([embedding], "m.safetensors")
    with pytest.raises(PruneError, match=r"fc2\.weight is missing there and \(5, 2\) in the model"):
        masks.check_matches([embedding, matrix, prunable("encoder.layers.0.fc2.weight", 5, 2)], "x")
    with pytest.raises(PruneError, match=r"is \(2, 5\) there and \(5, 2\) in the model"):
        masks.check_matches([embedding, prunable(FC1, 5, 2)], "x")
