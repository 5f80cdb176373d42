"""Checkpoint averaging: with equal masks it is the masked average, with different masks it is refused."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet
from tests.tiny_model import tiny_model


def stock_average(models: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The arithmetic of fairseq's scripts/average_checkpoints.py: sums, then / for floats and // for integers."""
    sums: dict[str, Tensor] = {}
    for model in models:
        for key, value in model.items():
            value = value.float() if value.dtype == torch.float16 else value
            sums[key] = sums[key] + value if key in sums else value.clone()
    return {
        key: total / len(models) if total.is_floating_point() else total // len(models) for key, total in sums.items()
    }


def pruned_state(seed: int, mask_seed: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    model = tiny_model()
    source = torch.Generator().manual_seed(mask_seed)
    masks = {p: torch.rand(p.shape, generator=source) < 0.5 for p in model.masking.parameters_by_matrix}
    model.masking.replace(MaskSet(masks))
    return model.state_dict()


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_average_of_equal_masks_has_the_same_masks(count):
    states = [pruned_state(seed, mask_seed=0) for seed in range(count)]
    average = stock_average(states)
    model = tiny_model()
    model.load_state_dict(average)
    before = tiny_model()
    before.load_state_dict(states[0])
    assert model.masking.masks == before.masking.masks
    assert model.masking.masks.sparsity() == pytest.approx(0.5, abs=0.05)
    name = "decoder.layers.0.fc1.weight"
    assert torch.equal(model.state_dict()[name], sum(state[name] for state in states) / count)
    assert model.masking.check("the average") == 0


def test_the_average_of_different_masks_is_refused():
    average = stock_average([pruned_state(0, mask_seed=0), pruned_state(1, mask_seed=1)])
    with pytest.raises(SystemExit, match=r"\d+ weights that the mask removes are not zero; were checkpoints with"):
        tiny_model().load_state_dict(average)
