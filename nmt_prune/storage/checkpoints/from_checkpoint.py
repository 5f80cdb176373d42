"""From a fairseq checkpoint to a compact model."""

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nmt_prune.checkpoints import MASK_MODULE, Checkpoint
from nmt_prune.checkpoints.own_dictionaries import compare, digests, own
from nmt_prune.checkpoints.weights import is_weight
from nmt_prune.errors import PruneError
from nmt_prune.pruning.quantization.quantized import Facts
from nmt_prune.storage.checkpoints.configuration import architecture_of
from nmt_prune.storage.checkpoints.provenance import extras, provenance
from nmt_prune.storage.checkpoints.vocabularies import Vocabularies, read_vocabularies
from nmt_prune.storage.model.architecture import Architecture
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.grids import narrowed
from nmt_prune.storage.model.kept_values import KeptValues
from nmt_prune.storage.model.layout import layout
from nmt_prune.storage.model.precision import check_values, converted
from nmt_prune.storage.model.splitting import AS_FOUND, Splitting


def compact_model(
    checkpoint: Checkpoint, data: Path | None = None, values: str = "float32", splitting: Splitting = AS_FOUND
) -> CompactModel:
    """Takes from a checkpoint all that translating needs.

    Where a mask exists, what it keeps is kept, bit for bit, exact zeros and NaN too. Elsewhere everything is kept that
    is not zero. What is not kept becomes +0.0, also where it was -0.0, as negative weights are after pruning. So does
    the padding row of an embedding, as long as it is zero.

    Args:
        checkpoint: a checkpoint of a fairseq Transformer: stock, masked or shrunk.
        data: folder of fairseq-preprocess with its dictionaries; None: the one that it was trained on.
        values: type of the kept values; ``float32`` changes nothing. Values that need fewer bits, because the model was
            quantized or trained in half precision, get a smaller type in any case, as long as that changes nothing.
        splitting: what is known about the splitting of its text; the rest is looked up.

    Raises:
        PruneError: the model cannot run without fairseq, contradicts itself, or has other dictionaries.
    """
    check_values(values)
    architecture, vocabularies = architecture_of(checkpoint), read_vocabularies(checkpoint, data, splitting)
    aliases = _check(checkpoint, architecture, vocabularies)
    found = digests(vocabularies.source, vocabularies.target)
    if remark := compare(checkpoint.path, own(checkpoint), found, f"--data {data}"):
        warnings.warn(remark, RuntimeWarning, stacklevel=2)
    facts = Facts.of(checkpoint.state["model"])
    scales = {name: scale.float().numpy() for name, scale in facts.scales.items()} if facts else {}
    weights = {
        name: converted(
            f"{checkpoint.path}: {name}", narrowed(_plain(checkpoint, name, tensor), scales.get(name)), values
        )
        for name, tensor in checkpoint.model.items()
        if is_weight(name) and name not in aliases
    }
    return CompactModel(
        architecture, weights, aliases, *vocabularies, provenance=provenance(checkpoint), extras=extras(checkpoint)
    )


def _check(checkpoint: Checkpoint, architecture: Architecture, vocabularies: Vocabularies) -> dict[str, str]:
    """Compares the weights with the architecture; returns the tied ones."""
    sizes = {"encoder": len(vocabularies.source), "decoder": len(vocabularies.target)}
    expected, found = layout(architecture, *sizes.values()), checkpoint.model
    for stack, size in sizes.items():
        rows = found[f"{stack}.embed_tokens.weight"].shape[0]
        if rows != size:
            raise PruneError(
                f"{checkpoint.path} has {rows} {stack} embeddings, the dictionary {size} symbols; name the folder with"
                " its own dictionaries with --data"
            )
    if foreign := [name for name in found if is_weight(name) and name not in expected]:
        raise PruneError(
            f"{checkpoint.path} is not a plain fairseq Transformer: it has {foreign[0]}; only the architectures"
            " transformer, masked_transformer and shrunk_transformer can be stored"
        )
    aliases = {alias: prunable.name for prunable in checkpoint.matrices for alias in prunable.aliases}
    for name, shape in expected.items():
        if name not in found or tuple(found[name].shape) != shape:
            what = f"of shape {tuple(found[name].shape)}, not {shape}" if name in found else "missing"
            raise PruneError(f"{checkpoint.path}: {name} is {what}; give a checkpoint that fairseq-train wrote")
    return aliases


def _plain(checkpoint: Checkpoint, name: str, tensor: Tensor) -> KeptValues:
    if tensor.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        raise PruneError(f"{checkpoint.path}: {name} is of type {tensor.dtype}; save the model in float32")
    array = tensor.detach().to(torch.float32).numpy()
    if f"{MASK_MODULE}.{name}" not in checkpoint.state["model"]:
        return KeptValues.of(array)
    prunable = next(prunable for prunable in checkpoint.matrices if prunable.name == name)
    mask: npt.NDArray[np.bool_] = checkpoint.masks[name].numpy()
    padding = prunable.padding_row
    if padding is not None and not array[padding].any():
        mask = mask.copy()
        before, after = mask[padding - 1], mask[padding + 1]
        # Within a block the row is as its neighbours are, so that one element of the mask stands for the block.
        mask[padding] = before & bool((before == after).all() and not before.all())
    return KeptValues.of(array, mask)
