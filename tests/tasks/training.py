"""Tiny trainings with ``fairseq-train`` and what they leave behind."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from fairseq import utils
from fairseq.trainer import Trainer
from fairseq_cli import train as fairseq_train
from torch import Tensor, nn

from nmt_prune.models.masked_transformer import MaskedTransformer
from nmt_prune.pruning.saliency.trained_scores import Learner
from nmt_prune.tasks import evidence
from tests.devices import PRETENDED
from tests.pretended_gpu import GPU, pretended_gpu
from tests.tasks.fairseq_command import USER_DIR, run

MODEL = "--encoder-embed-dim 16 --encoder-ffn-embed-dim 20 --encoder-layers 1 --decoder-layers 1 --share-all-embeddings"
TRAINING = (
    "--source-lang en --target-lang de --optimizer adam --lr 0.01 --lr-scheduler inverse_sqrt --warmup-updates 4"
    " --criterion label_smoothed_cross_entropy --label-smoothing 0.1 --clip-norm 1 --max-tokens 200 --max-update 12"
    " --num-workers 0 --no-epoch-checkpoints --log-format json --log-interval 1 --cpu --distributed-world-size 1"
    " --disable-validation"
)
PRUNING = "--task translation_pruning --arch masked_transformer_tiny"
STOCK = "--task translation --arch transformer_tiny"
MASK = "mask_version_1."
EMBEDDING, FC1 = "encoder.embed_tokens.weight", "encoder.layers.0.fc1.weight"


@dataclass
class Training:
    """A finished training.

    Attributes:
        folder: the save folder.
        log: pairs of logger and message.
    """

    folder: Path
    log: list[tuple[str, str]]

    def progress(self, kind: str = "train_inner") -> list[dict[str, float]]:
        """fairseq's progress lines (``train_inner``, ``valid``): one per update."""
        lines = [json.loads(message) for name, message in self.log if name == kind]
        return [{key: float(value) for key, value in line.items()} for line in lines]

    def said(self, text: str) -> bool:
        """Whether a message contains the text."""
        return any(text in message for _, message in self.log)

    def state(self, name: str = "checkpoint_last") -> dict[str, Any]:
        """A checkpoint of the training."""
        return load(self.folder / f"{name}.pt")

    def weights(self, name: str = "checkpoint_last") -> dict[str, Tensor]:
        """The state dict of a checkpoint without masks."""
        model = self.state(name)["model"]
        return {key: tensor for key, tensor in model.items() if not key.startswith(MASK)}

    def masks(self, name: str = "checkpoint_last") -> dict[str, Tensor]:
        """The masks of a checkpoint by matrix."""
        model = self.state(name)["model"]
        return {key.removeprefix(MASK): mask.bool() for key, mask in model.items() if key.startswith(MASK)}


def load(path: Path) -> dict[str, Any]:
    return torch.load(path, map_location="cpu", weights_only=False)


def arguments(corpus: Path, folder: Path, *flags: Any, without: str = "") -> list[str]:
    """The arguments of a tiny training; later flags overrule earlier ones, ``without`` takes words away."""
    words = [
        word for word in f"--user-dir {USER_DIR} {PRUNING} {MODEL} {TRAINING}".split() if word not in without.split()
    ]
    own = (str(word) for flag in flags for word in (flag.split() if isinstance(flag, str) else [flag]))
    return [str(corpus), *words, "--save-dir", str(folder), *own]


def train(corpus: Path, folder: Path, *flags: Any, without: str = "", device: str = "cpu") -> Training:
    """Runs a tiny training: 12 updates without validation, a checkpoint at the end.

    Args:
        corpus: the binarized corpus.
        folder: the save folder.
        flags: further flags.
        without: words to take away.
        device: where to; see tests.devices.
    """
    words = arguments(corpus, folder, *flags, without=f"{without} --cpu" if device == "cuda" else without)
    with pretended_training() if device == PRETENDED else nullcontext():
        return Training(folder, run(fairseq_train.cli_main, *words))


@contextmanager
def pretended_training() -> Iterator[None]:
    """While it lasts fairseq, told to use the CPU, puts models and mini-batches on a pretended GPU."""
    prepare, measured = Trainer._prepare_sample, evidence.evidence_of

    def prepared(trainer: Trainer, *arguments: Any, **settings: Any) -> Any:
        sample, is_dummy = prepare(trainer, *arguments, **settings)
        return utils.apply_to_sample(lambda tensor: tensor.to(GPU), sample), is_dummy

    def moved(model: nn.Module, device: Any = None, dtype: torch.dtype | None = None) -> nn.Module:
        return nn.Module.to(model, device=GPU, dtype=dtype)

    def follow(learner: Learner) -> None:
        # What is pretended cannot be put into a tensor's data.
        for score in learner.scores.values():
            if score.device != GPU:
                torch.utils.swap_tensors(score, score.detach().to(GPU).requires_grad_())
        learner._optimizer.load_state_dict(learner._optimizer.state_dict())

    with pytest.MonkeyPatch.context() as patch, pretended_gpu():
        patch.setattr(Trainer, "_prepare_sample", prepared)
        patch.setattr(MaskedTransformer, "to", moved, raising=False)
        patch.setattr(Learner, "_follow_the_model", follow)
        patch.setattr(evidence, "evidence_of", lambda *arguments: measured(*arguments[:-1], str(GPU)))
        yield


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """Asserts that two state dicts are equal bit for bit."""
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def tensors(values: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors among some values, e.g. the moments of one parameter without the step counter."""
    return {key: value for key, value in values.items() if isinstance(value, Tensor)}
