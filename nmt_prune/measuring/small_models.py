"""Dense models as small as sparse ones: ``python -m nmt_prune.measuring.small_models``, JSON in and out.

In: ``arguments`` of fairseq-train for the dense model, its ``vocabulary`` (entries of both dictionaries), ``prune_set``
and ``sparsities``. Out, for each sparsity: ``nonzeros`` of the sparse model, flags (``model``) and ``parameters`` of
the dense one. Everything is counted in models of fairseq that have shapes and no numbers.
"""

import json
import sys
from argparse import Namespace
from bisect import bisect_left
from copy import deepcopy
from functools import cache
from typing import Any, NamedTuple

import torch
from fairseq import models, options, tasks
from fairseq.data import Dictionary

# Registers what --user-dir would.
import nmt_prune.models.masked_transformer
import nmt_prune.tasks.translation_pruning  # noqa: F401
from nmt_prune.masks.prunable import prunable_parameters, restrict

STEP = 8
"""Embeddings and feed-forward layers are multiples of this wide."""
FLOOR = 32
"""Narrowest embedding at which a model keeps its depth."""


class Size(NamedTuple):
    """Embedding dimension of the encoder, steps by which feed-forward layers are widened, layers of both stacks."""

    width: int
    widened: int
    encoder_layers: int
    decoder_layers: int


class Family:
    """The dense models of one architecture, and how many parameters they have.

    Args:
        args: its flags, as fairseq's parser fills them in.
        vocabulary: entries of the source and the target dictionary.
    """

    def __init__(self, args: Namespace, vocabulary: tuple[int, int]) -> None:
        self._args = args
        self._task = tasks.TASK_REGISTRY[args.task](args, *map(_dictionary, vocabulary))
        self.parameters = cache(self._parameters)

    def whole(self) -> Any:
        """The dense model itself."""
        return self._build(self._args)

    def choose(self, nonzeros: int) -> Size:
        """The model with the fewest parameters that has at least as many as the sparse one non-zero weights.

        Depth and the ratio of feed-forward layers to embeddings are kept at first. With the narrowest embedding for
        which that is large enough, and the next narrower one, feed-forward layers of half to twice the ratio are tried.
        Where a model of :data:`FLOOR` is too large, the deeper stack, or both, loses a layer; where one layer each is
        too large, it is narrower than that.
        """
        args, most = self._args, self._args.encoder_embed_dim
        floor, depth = min(FLOOR, most), (args.encoder_layers, args.decoder_layers)
        while max(depth) > 1 and self.parameters(Size(floor, 0, *depth)) > nonzeros:
            deepest = max(depth)
            depth = (depth[0] - (depth[0] == deepest), depth[1] - (depth[1] == deepest))
        widths = [*range(STEP, most, STEP), most]
        if self.parameters(Size(floor, 0, *depth)) <= nonzeros:
            widths = [width for width in widths if width >= floor]
        place = bisect_left(widths, nonzeros, key=lambda width: self.parameters(Size(width, 0, *depth)))
        near = widths[max(place - 1, 0) : place + 1]
        sizes = [size for width in near for size in self._widened(Size(width, 0, *depth), nonzeros)]
        return min(sizes, key=lambda size: (self.parameters(size) < nonzeros, self.parameters(size), -size.width))

    def _widened(self, size: Size, nonzeros: int) -> list[Size]:
        """The model of this width whose feed-forward layers are as narrow as they can be, if one is large enough."""
        ffn = min(self.flags(size)[f"{stack}_ffn_embed_dim"] for stack in ("encoder", "decoder")) // STEP
        sizes = [size._replace(widened=steps) for steps in range(-(ffn // 2), ffn + 1)]
        return sizes[bisect_left(sizes, nonzeros, key=self.parameters) :][:1]

    def flags(self, size: Size) -> dict[str, int]:
        """The flags of a model: heads are as wide as in the dense one, as far as their number divides the width."""
        args = self._args
        encoder = size.width
        flags: dict[str, int] = {}
        decoder = max(STEP, _multiple(args.decoder_embed_dim * encoder / args.encoder_embed_dim))
        for stack, width, layers in (
            ("encoder", encoder, size.encoder_layers),
            ("decoder", decoder, size.decoder_layers),
        ):
            embed, ffn, heads = (
                getattr(args, f"{stack}_{key}") for key in ("embed_dim", "ffn_embed_dim", "attention_heads")
            )
            flags |= {
                f"{stack}_embed_dim": width,
                f"{stack}_ffn_embed_dim": max(STEP, _multiple(ffn * width / embed) + STEP * size.widened),
                f"{stack}_attention_heads": _heads(width, width * heads / embed),
                f"{stack}_layers": layers,
            }
        return flags

    def _parameters(self, size: Size) -> int:
        args = deepcopy(self._args)
        # Layers of a stack are all alike; of deep models most of the time would go into building them.
        vars(args).update(self.flags(size) | {"encoder_layers": 1, "decoder_layers": 1})
        # fairseq's parser sets these to the decoder's width.
        args.decoder_input_dim = args.decoder_output_dim = args.decoder_embed_dim
        model = self._build(args)
        further = ((model.encoder, size.encoder_layers - 1), (model.decoder, size.decoder_layers - 1))
        return count(model) + sum(layers * count(stack.layers[0]) for stack, layers in further)

    def _build(self, args: Namespace) -> Any:
        with torch.device("meta"):
            return models.ARCH_MODEL_REGISTRY[args.arch].build_model(args, self._task)


def count(module: torch.nn.Module) -> int:
    """Parameters of a module, tied ones once."""
    return sum(parameter.numel() for parameter in module.parameters())


def _multiple(width: float) -> int:
    return STEP * round(width / STEP)


def _heads(width: int, wanted: float) -> int:
    return min((number for number in range(1, width + 1) if width % number == 0), key=lambda one: abs(one - wanted))


def _dictionary(entries: int) -> Dictionary:
    words = Dictionary()
    for number in range(entries - len(words)):
        words.add_symbol(str(number))
    return words


def small_models(args: Namespace, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The answer to what was asked."""
    family = Family(args, tuple(asked["vocabulary"]))
    model = family.whole()
    prunable = sum(one.size for one in restrict(prunable_parameters(model), asked["prune_set"]))
    found = []
    for sparsity in asked["sparsities"]:
        nonzeros = count(model) - round(sparsity * prunable)
        size = family.choose(nonzeros)
        found.append({"nonzeros": nonzeros, "parameters": family.parameters(size), "model": family.flags(size)})
    return found


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    sys.argv = ["fairseq-train", *asked["arguments"]]
    try:
        found = small_models(options.parse_args_and_arch(options.get_training_parser()), asked)
    except Exception as error:
        raise SystemExit(f"{type(error).__name__}: {' '.join(str(error).split())}") from error
    json.dump(found, sys.stdout)
