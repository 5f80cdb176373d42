"""Synaptic flow, for an encoder-decoder Transformer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.saliency import ModelSaliency, saliencies


@saliencies.register("synflow")
@dataclass(frozen=True)
class SynFlow(ModelSaliency):
    """|w| · ∂R/∂|w|, R the sum of the outputs of the network of |w| for an input of ones (Tanaka et al. 2020).

    No data is needed. In a Transformer the original's R has mixed signs (layer norm) and does not depend on queries and
    keys (all positions are alike, so softmax is constant), which prunes them all; here layer norm and ReLU are the
    identity, biases are zero, embeddings are ones, and attention is linear and normalised, its inputs and normaliser
    held constant for the gradient. So the scores of query, key, value and output projection have the same sum, as have
    those of fc1 and fc2. Residual connections still let whole sublayers die: use a budget with a floor.

    Scores are shares of R. Vocabulary matrices, bypassed on one side by the ones, are scored by |w|; only a budget that
    ranks them apart, or, better, the prune set ``body``, makes sense.

    Args:
        rounds: number of steps, at exponentially falling densities; one step would collapse layers.
        head_dim: width of an attention head by stack.
    """

    ranks_vocabulary: ClassVar[bool] = False

    rounds: int = 100
    head_dim: Mapping[str, int] = field(default_factory=dict, kw_only=True)

    def score_model(self, weights: Mapping[Prunable, Tensor], alive: MaskSet) -> Mapping[str, Tensor]:
        if not {"encoder", "decoder"} <= self.head_dim.keys():
            raise PruneError(
                "saliency synflow needs the width of attention heads; use the checkpoint of a Transformer with its"
                " configuration"
            )
        # float64: activations grow by several orders of magnitude with every layer. On the CPU: a GPU adds in another
        # order, and the mask would be another than everywhere else.
        masked = {
            prunable: (weight.cpu().double() * alive[prunable.name].cpu()).abs() for prunable, weight in weights.items()
        }
        body = {prunable.name: weight.requires_grad_() for prunable, weight in masked.items() if prunable.in_body}
        total = _Flow(body, self.head_dim, _output_weights(masked)).total()
        shares = torch.autograd.grad(total, list(body.values()), materialize_grads=True)
        scores = {prunable.name: weight.detach() for prunable, weight in masked.items()}
        for name, share in zip(body, shares, strict=True):
            scores[name] *= share / total.detach()
        return scores


def _output_weights(weights: Mapping[Prunable, Tensor]) -> Tensor:
    """What each feature of the decoder contributes to R: the column sums of the output projection, tied or not."""
    for name in ("decoder.output_projection.weight", "decoder.embed_tokens.weight"):
        for prunable, weight in weights.items():
            if name in prunable.names:
                return weight.sum(dim=0)
    return torch.ones((), dtype=torch.float64)


class _Flow:
    """The linear network of |w|.

    All source positions are alike and so are all target positions, whatever attention looks at (it is uniform, the
    causal mask only changes over how many positions); so one position stands for all.
    """

    def __init__(self, weights: Mapping[str, Tensor], head_dim: Mapping[str, int], output: Tensor) -> None:
        self._weights, self._head_dim, self._output = weights, head_dim, output

    def total(self) -> Tensor:
        """R, of one position.

        Raises:
            PruneError: something lies between the decoder and the output projection.
        """
        state = self._stack("decoder", self._stack("encoder", None))
        if self._output.numel() not in (1, state.numel()):
            raise PruneError(
                f"saliency synflow: the decoder is {state.numel()} wide, its output projection {self._output.numel()}"
                " (--decoder-output-dim), and what lies between is not part of the flow; choose another saliency"
            )
        return (self._output * state).sum()

    def _stack(self, stack: str, memory: Tensor | None) -> Tensor:
        names = [name for name in self._weights if name.startswith(f"{stack}.layers.")]
        width = next(self._weights[name].shape[1] for name in names if name.endswith("self_attn.q_proj.weight"))
        state = torch.ones(width, dtype=torch.float64, device=self._weights[names[0]].device)
        for layer in sorted({int(name.split(".")[2]) for name in names}):
            prefix = f"{stack}.layers.{layer}."
            state = state + self._attention(f"{prefix}self_attn.", stack, state, state)
            if memory is not None and f"{prefix}encoder_attn.q_proj.weight" in self._weights:
                state = state + self._attention(f"{prefix}encoder_attn.", stack, state, memory)
            state = state + self._weights[f"{prefix}fc2.weight"] @ (self._weights[f"{prefix}fc1.weight"] @ state)
        return state

    def _attention(self, prefix: str, stack: str, state: Tensor, memory: Tensor) -> Tensor:
        query = self._weights[f"{prefix}q_proj.weight"] @ _constant(state)
        key = self._weights[f"{prefix}k_proj.weight"] @ _constant(memory)
        value = self._weights[f"{prefix}v_proj.weight"] @ memory
        affinity = (query * key).view(-1, self._head_dim[stack]).sum(dim=1, keepdim=True)
        normaliser = affinity.detach()
        # A head without queries or keys attends uniformly.
        attention = torch.where(normaliser > 0, affinity / normaliser.clamp(min=1e-300), 1.0)
        context = attention * value.view(-1, self._head_dim[stack])
        return self._weights[f"{prefix}out_proj.weight"] @ context.flatten()


def _constant(state: Tensor) -> Tensor:
    """A state without its gradient and scale, which cancels in normalised attention but could overflow there."""
    return state.detach() / state.detach().max().clamp(min=1e-300)
