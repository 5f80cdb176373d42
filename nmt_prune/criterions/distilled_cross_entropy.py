"""Label-smoothed cross entropy beside what teachers say: ``distilled_cross_entropy``."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from fairseq.criterions import register_criterion
from fairseq.criterions.label_smoothed_cross_entropy import (
    LabelSmoothedCrossEntropyCriterion,
    LabelSmoothedCrossEntropyCriterionConfig,
)
from fairseq.logging import metrics
from fairseq.utils import item
from omegaconf import open_dict
from torch import Tensor

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.criterions.teachers import check_settings, encoder_states, load_teachers, teaching
from nmt_prune.errors import PruneError, exit_on_error
from nmt_prune.training.distillation import square_head, word_divergence

KEY = "teaching"
"""Of what :func:`teaching` says in the configuration of a checkpoint, beside fairseq's own groups."""


@dataclass
class DistilledCrossEntropyConfig(LabelSmoothedCrossEntropyCriterionConfig):
    """The flags of ``label_smoothed_cross_entropy`` and those of teachers."""

    teacher: str = field(
        default="", metadata={"help": "checkpoint to learn from; of several, with : between them, the average"}
    )
    teacher_word: float = field(
        default=0.5,
        metadata={"help": "weight a of the teacher's words: (1-a) cross entropy + a T^2 KL(teacher||student)"},
    )
    teacher_temperature: float = field(default=2.0, metadata={"help": "temperature T of both distributions"})
    teacher_hidden: float = field(
        default=0.0,
        metadata={"help": "weight of the hidden states of all layers (SquareHead); teacher and student of equal shape"},
    )


@register_criterion("distilled_cross_entropy", dataclass=DistilledCrossEntropyConfig)
class DistilledCrossEntropyCriterion(LabelSmoothedCrossEntropyCriterion):
    """fairseq's label-smoothed cross entropy and, while it trains, the distance to teachers.

    Validation, and training with both weights 0, is fairseq's own: teachers are neither read nor asked. They are no
    part of the criterion's parameters or state.
    """

    def __init__(self, task: Any, cfg: Any) -> None:
        super().__init__(task, cfg.sentence_avg, cfg.label_smoothing, cfg.ignore_prefix_size, cfg.report_accuracy)
        with exit_on_error():
            check_settings(cfg)
        self._cfg = cfg
        self._word, self._temperature, self._hidden = cfg.teacher_word, cfg.teacher_temperature, cfg.teacher_hidden
        self._teachers: list[Any] = []  # in a list, which hides them from nn.Module

    def forward(self, model: Any, sample: Any, reduce: bool = True) -> Any:
        """Computes the loss of a mini-batch; see the stock criterion."""
        if not (self.training and (self._word or self._hidden)):
            return super().forward(model, sample, reduce)
        with exit_on_error():
            if not self._teachers:
                self._begin(model)
            return self._taught(model, sample, reduce)

    def _begin(self, model: Any) -> None:
        self._teachers = load_teachers(self._cfg.teacher, self.task, model, with_states=bool(self._hidden))
        known, root = teaching(self._cfg), self._cfg._get_parent()
        if root is not None:
            if not getattr(self.task, "holds_masks", False):  # that task compares it itself, before anything is written
                _refuse_other_teaching(known, root.checkpoint)
            with open_dict(root):  # is saved in every checkpoint
                root[KEY] = known

    def _taught(self, model: Any, sample: Any, reduce: bool) -> Any:
        with encoder_states(model) as encoded:
            output = model(**sample["net_input"])
        loss, nll_loss = self.compute_loss(model, output, sample, reduce=reduce)
        counted = sample["target"].ne(self.padding_idx)
        said: list[Tensor] = []
        distance = loss.new_zeros((), dtype=torch.float32)
        for teacher in self._teachers:
            with torch.no_grad(), encoder_states(teacher) as taught:
                theirs = teacher(**sample["net_input"])
            said.append(theirs[0])
            if self._hidden:
                present = sample["net_input"]["src_tokens"].ne(self.padding_idx)
                distance = distance + square_head(encoded[1:], taught[1:], present)
                mine, other = (each[1]["inner_states"][1:] for each in (output, theirs))
                distance = distance + square_head(mine, other, counted)
        distance = distance / len(self._teachers) * sample["ntokens"]
        start = self.ignore_prefix_size
        logits = [one[:, start:] for one in (output[0], *said)]
        divergence = word_divergence(logits[0], logits[1:], self._temperature, counted[:, start:])
        total = (1 - self._word) * loss + self._word * divergence + self._hidden * distance
        sample_size = sample["target"].size(0) if self.sentence_avg else sample["ntokens"]
        log = {
            "loss": total.data,
            "nll_loss": nll_loss.data,
            "kd_loss": divergence.data,
            **({"hidden_loss": distance.data} if self._hidden else {}),
            "ntokens": sample["ntokens"],
            "nsentences": sample["target"].size(0),
            "sample_size": sample_size,
        }
        if self.report_accuracy:
            n_correct, count = self.compute_accuracy(model, output, sample)
            log |= {"n_correct": item(n_correct.data), "total": item(count.data)}
        return total, sample_size, log

    @classmethod
    def reduce_metrics(cls, logging_outputs: Any) -> None:
        """Adds ``kd_loss``, T² KL in bits per token, and ``hidden_loss`` to what the stock criterion logs."""
        super().reduce_metrics(logging_outputs)
        tokens = sum(log.get("ntokens", 0) for log in logging_outputs)
        for name, unit in (("kd_loss", math.log(2)), ("hidden_loss", 1.0)):
            if any(name in log for log in logging_outputs):
                total = sum(log.get(name, 0) for log in logging_outputs)
                metrics.log_scalar(name, total / tokens / unit, tokens, round=3)


def _refuse_other_teaching(now: dict[str, Any], places: Any) -> None:
    """Refuses to go on with a training of the save folder by other teachers or weights than it began with."""
    last = Path(places.save_dir) / f"checkpoint_last{places.checkpoint_suffix}.pt"
    if places.restore_file != "checkpoint_last.pt" or not last.exists():
        return
    begun = (Checkpoint.load(last).state.get("cfg") or {}).get(KEY)
    for name, value in now.items():
        if begun is not None and begun[name] != value:
            raise PruneError(
                f"{places.save_dir} holds a training that began with {_shown(name, begun[name])}, not"
                f" {_shown(name, value)}: give that again, or another --save-dir"
            )


def _shown(name: str, value: Any) -> str:
    text = f"{value['name']} (SHA-256 {value['sha256'][:12]})" if name == "teacher" else f"{value:g}"
    return f"--{name.replace('_', '-')} {text}"
