"""Magnitude with dense gradients against four updates by hand."""

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.saliency import saliencies
from tests.pruning.saliency.learning import FC1, OneLayer, learner, update
from tests.tiny_model import real_loss, tiny_model

EVERY_SECOND = "cubic:end=4,interval=2,exponent=1"


def two_by_two():
    return OneLayer(torch.tensor([[0.5, -1.0], [2.0, 4.0]]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))


def test_a_masked_weight_learns_shrinks_and_comes_back():
    """Slopes c are given. Of 4 weights 4, 3 and 2 are seen from update 0, 2 and 4 on."""
    model = two_by_two()
    callback = learner(model, "magnitude-ste:decay=0.5", EVERY_SECOND)
    weight = model.encoder.layers[0].fc1.weight
    slopes = [torch.tensor(slope) for slope in ([[-1.0, 2.0], [4.0, -1.0]],) * 2 + ([[-20.0, 2.0], [4.0, -1.0]],)]
    seen = []

    def loss(slope):
        seen.append(weight.tolist())
        return (slope * weight).sum()

    update(model, callback, lambda: loss(slopes[0]), 0, lr=0.5)
    assert weight.tolist() == [[1.0, -2.0], [0.0, 4.5]]
    update(model, callback, lambda: loss(slopes[1]), 1, lr=0.5)
    assert weight.tolist() == [[1.5, -3.0], [-2.0, 5.0]]
    assert callback.statistics()["learned_sparsity"] == 0.25
    update(model, callback, lambda: loss(slopes[2]), 2, lr=0.5)
    # The smallest was masked; it halves and takes its step all the same: 1.5 / 2 + 0.5 · 20.
    assert seen == [[[0.5, -1.0], [2.0, 4.0]], [[1.0, -2.0], [0.0, 4.5]], [[0.0, -3.0], [-2.0, 5.0]]]
    assert weight.tolist() == [[10.75, -4.0], [-4.0, 5.5]]
    assert model.masking.masks.sparsity() == 0
    assert model.masking.seen.sparsity() == 0.25
    update(model, callback, lambda: loss(torch.zeros(2, 2)), 3, lr=0.5)
    # The mask of before was seen until the schedule changed it: 10.75 / 2 is among the best two now.
    assert seen[3] == [[0.0, -4.0], [-4.0, 5.5]]
    assert weight.tolist() == [[5.375, 0.0], [0.0, 5.5]]
    assert model.masking.seen == model.masking.masks
    update(model, callback, lambda: loss(torch.ones(2, 2)), 4, lr=0.5)
    assert seen[4] == [[5.375, 0.0], [0.0, 5.5]]


def test_it_may_begin_sparse():
    model = two_by_two()
    callback = learner(model, "magnitude-ste", f"{EVERY_SECOND},initial=0.25")
    callback.before_forward(0)
    assert model.get_parameter(FC1).tolist() == [[0.0, -1.0], [2.0, 4.0]]
    callback.put_back()
    assert model.get_parameter(FC1).tolist() == [[0.5, -1.0], [2.0, 4.0]]


def test_what_is_pruned_already_stays_pruned():
    model = two_by_two()
    callback = learner(model, "magnitude-ste:decay=0.5", f"{EVERY_SECOND},initial=0.25")
    gone = torch.tensor([[True, True], [True, False]])
    model.masking.replace(MaskSet(dict.fromkeys(model.masking.parameters_by_matrix, gone)))
    for number in range(4):
        update(model, callback, lambda: real_loss_of(model), number)
        assert model.get_parameter(FC1)[1, 1] == 0
    assert model.masking.masks[FC1].int().tolist() == [[0, 1], [1, 0]]


def real_loss_of(model):
    return model(torch.ones(1, 2)).sum()


def test_saved_is_the_masked_model_and_it_goes_on_dense():
    whole, parts = tiny_model(), tiny_model()
    parts.load_state_dict(whole.state_dict())
    schedule = "cubic:end=8,interval=2"
    first, second = (learner(model, "magnitude-ste", schedule, 0.6) for model in (whole, parts))
    for number in range(8):
        update(whole, first, lambda: real_loss(whole), number, lr=0.1)
    for number in range(5):
        update(parts, second, lambda: real_loss(parts), number, lr=0.1)
    state = second.state_dict()
    saved = {name: tensor.clone() for name, tensor in parts.state_dict().items()}
    for prunable in parts.masking.parameters_by_matrix:
        assert not saved[prunable.name][~parts.masking.seen[prunable.name]].any()
    held = parts.masking.seen
    again = tiny_model()
    again.load_state_dict(saved)
    third = learner(again, "magnitude-ste", schedule, 0.6)
    again.masking.replace(held)  # as the checkpoint's masks
    third.load_state_dict(state)
    third.begin(None)
    assert again.masking.masks.sparsity() == 0
    for model, callback in ((parts, second), (again, third)):
        for number in range(5, 8):
            update(model, callback, lambda model=model: real_loss(model), number, lr=0.1)
        assert model.masking.masks == whole.masking.masks
        assert all(torch.equal(p, model.get_parameter(name)) for name, p in whole.named_parameters())
    assert third.state_dict() == {"updates": 8}


def test_a_checkpoint_of_another_mask_is_refused():
    model = two_by_two()
    callback = learner(model, "magnitude-ste", EVERY_SECOND)
    for number in range(3):
        update(model, callback, lambda: real_loss_of(model), number)
    state = callback.state_dict()
    callback.load_state_dict(state)
    with pytest.raises(PruneError, match=r"hides 1 weights of encoder\.layers\.0\.fc1\.weight, and its mask 0"):
        callback.begin(None)


@pytest.mark.parametrize(
    ("saliency", "schedule", "message"),
    [
        ("magnitude-ste", "constant", "choose a schedule that changes the mask"),
        ("magnitude-ste", "oneshot:at=4", "changes it, and this one does so only when the mask is final"),
        ("magnitude-ste", "cubic:end=4,interval=4", "with an interval= below its end="),
        ("magnitude-ste:decay=1", "cubic", r"decay=1 is outside \[0, 1\)"),
        ("movement", "cubic:initial=0.25", "already masks 0.25: leave out initial="),
    ],
)
def test_what_makes_no_sense_is_refused(saliency, schedule, message):
    with pytest.raises(PruneError, match=message) as error:
        learner(two_by_two(), saliency, schedule)
    assert "\n" not in str(error.value)


def test_half_precision_without_a_copy_needs_no_decay():
    model = two_by_two().half()
    callback = learner(model, "magnitude-ste", EVERY_SECOND)
    with pytest.raises(PruneError, match=r"a decay of 0\.0002 is rounded away; give magnitude-ste:decay=0"):
        update(model, callback, lambda: model.get_parameter(FC1).sum(), 0)
    assert saliencies.build("magnitude-ste").can_be_averaged
