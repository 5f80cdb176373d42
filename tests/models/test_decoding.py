"""Training and step-by-step decoding see the same zeros.

fairseq's attention hands ``q_proj.weight`` to a functional in training and calls ``q_proj`` in incremental decoding, so
a masked Linear layer trains dense and decodes sparse.
"""

import pytest
import torch
from torch import Tensor, nn

from nmt_prune.masks.mask_set import MaskSet
from tests.tiny_model import TYINGS, tiny_model

SOURCE, LENGTHS = torch.tensor([[5, 6, 7, 8, 2], [1, 1, 9, 6, 2]]), torch.tensor([5, 3])
TARGET = torch.tensor([[2, 8, 9, 10, 11], [2, 12, 5, 7, 6]])


def at_once(model: nn.Module) -> Tensor:
    """Log-probabilities with the whole target known, as in training."""
    return model.get_normalized_probs(model(SOURCE, LENGTHS, TARGET), log_probs=True)


def step_by_step(model: nn.Module) -> Tensor:
    """The same, one word after the other with an incremental state, as in fairseq-generate."""
    encoded, state, steps = model.encoder(SOURCE, LENGTHS), {}, []
    for length in range(1, TARGET.shape[1] + 1):
        output = model.decoder(TARGET[:, :length], encoder_out=encoded, incremental_state=state)
        steps.append(model.get_normalized_probs(output, log_probs=True))
    return torch.cat(steps, dim=1)


@pytest.mark.parametrize("tying", TYINGS)
def test_scores_agree(tying):
    model = tiny_model(tying).eval()
    dense = at_once(model)
    weights = model.masking.parameters_by_matrix
    model.masking.replace(MaskSet({p: weight.abs() > weight.abs().quantile(0.7) for p, weight in weights.items()}))
    torch.testing.assert_close(step_by_step(model), at_once(model))
    assert (at_once(model) - dense).abs().max() > 0.01


class MaskedLinear(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return nn.functional.linear(input, self.weight * self.mask, self.bias)


def test_a_masked_layer_would_not_agree():
    """The control."""
    model = tiny_model().eval()
    for module in model.modules():
        if type(module) is nn.Linear and module.in_features == module.out_features:
            module.__class__, module.mask = MaskedLinear, torch.rand_like(module.weight) > 0.5
    assert (step_by_step(model) - at_once(model)).abs().max() > 0.01
