"""Trained models with dead structure, made by hand, and what they translate."""

from collections.abc import Iterable
from pathlib import Path

import torch
from fairseq import checkpoint_utils
from torch import Tensor

from tests.tasks.training import MASK, Training, load

LAYERS, HEADS, HEAD_DIM, UNITS, DIMENSION = 2, 4, 4, 20, 16
"""What the trained models have in each stack."""

SIZES = " ".join(f"--{stack}-layers {LAYERS} --{stack}-attention-heads {HEADS}" for stack in ("encoder", "decoder"))
PRE_NORM = "--encoder-normalize-before --decoder-normalize-before"


def head(sublayer: str, *heads: int, matrices: str = "qkvo") -> dict[str, tuple[slice | Tensor, ...]]:
    """The weights of some heads, as indices into their matrices."""
    channels = torch.cat([torch.arange(HEAD_DIM) + HEAD_DIM * number for number in heads])
    names = {letter: f"{sublayer}.{'out' if letter == 'o' else letter}_proj.weight" for letter in matrices}
    return {name: (slice(None), channels) if letter == "o" else (channels,) for letter, name in names.items()}


def unit(layer: str, units: Iterable[int], matrices: str = "12") -> dict[str, tuple[slice | Tensor, ...]]:
    """The weights of some feed-forward units, as indices into their matrices."""
    chosen = torch.tensor(list(units))
    return {f"{layer}.fc{digit}.weight": (chosen,) if digit == "1" else (slice(None), chosen) for digit in matrices}


def mask(training: Training, dead: dict[str, tuple[slice | Tensor, ...]], path: Path, keep_masks: bool = True) -> Path:
    """Writes the last checkpoint of a training with masks (and zeros) at the given places."""
    state = training.state()
    for name, index in dead.items():
        weight = state["model"][name]
        alive = torch.ones_like(weight, dtype=torch.uint8)
        alive[index] = 0
        state["model"][name] = weight * alive
        if keep_masks:
            state["model"][MASK + name] = alive
    torch.save(state, path)
    return path


def translations(corpus: Path, path: Path, **overrides: object) -> list[tuple[list[int], float]]:
    """Hypotheses of the test set with beam 3, all three of each sentence, and their scores."""
    data = {"data": str(corpus), "source_lang": "en", "target_lang": "de", **overrides}
    models, cfg, task = checkpoint_utils.load_model_ensemble_and_task([str(path)], arg_overrides=data)
    for model in models:
        model.prepare_for_inference_(cfg)
        model.eval()
    cfg.generation.beam = 3
    generator, found = task.build_generator(models, cfg.generation), []
    task.load_dataset("test")
    dataset = task.dataset("test")
    batch = dataset.collater([dataset[index] for index in range(len(dataset))])  # of sources of different lengths
    for beam in task.inference_step(generator, models, batch):
        found += [(hypothesis["tokens"].tolist(), float(hypothesis["score"])) for hypothesis in beam]
    return found


def parameters(path: Path) -> int:
    """Number of parameters, the tied embedding once."""
    aliases = ("decoder.embed_tokens.weight", "decoder.output_projection.weight")
    model = {name: tensor for name, tensor in load(path)["model"].items() if not name.startswith(MASK)}
    buffers = ("version", "_float_tensor")
    return sum(t.numel() for name, t in model.items() if name not in aliases and not name.endswith(buffers))
