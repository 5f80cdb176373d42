"""Teachers: checkpoints of translation models whose words and hidden states a student learns."""

import hashlib
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from fairseq import checkpoint_utils
from fairseq.modules import LayerDropModuleList
from fairseq.utils import split_paths
from torch import Tensor

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.checkpoints.own_dictionaries import compare, digests, own, pair
from nmt_prune.errors import PruneError
from nmt_prune.files import file_digest

logger = logging.getLogger(__name__)

SETTINGS = ("teacher_word", "teacher_temperature", "teacher_hidden")
"""What decides how much is learned from ``teacher``; named as the flags."""


def teaching(criterion: Mapping[str, Any] | None) -> dict[str, Any]:
    """What decides a training that is taught, by flag, as JSON values; of the files the names and the SHA-256.

    Args:
        criterion: configuration of the criterion, whichever it is.
    """
    found = {} if criterion is None else criterion
    if not found.get("teacher") or not (found.get("teacher_word") or found.get("teacher_hidden")):
        return dict.fromkeys(("teacher", *SETTINGS))
    paths = [Path(path) for path in split_paths(found["teacher"])]
    known = [file_digest(path) for path in paths if path.is_file()]
    joined = hashlib.sha256(" ".join(known).encode()).hexdigest() if len(known) > 1 else "".join(known)
    names = ":".join(path.name for path in paths)
    is_known = len(known) == len(paths)
    return {
        "teacher": {"name": names, "sha256": joined if is_known else None},
        **{name: found[name] for name in SETTINGS},
    }


def check_settings(cfg: Any) -> None:
    """Checks the criterion's flags.

    Raises:
        PruneError: one makes no sense.
    """
    is_taught = cfg.teacher_word or cfg.teacher_hidden
    if not 0 <= cfg.teacher_word <= 1:
        raise PruneError(f"--teacher-word {cfg.teacher_word:g}: give a share from 0 to 1")
    if not 0 < cfg.teacher_temperature < math.inf:
        raise PruneError(f"--teacher-temperature {cfg.teacher_temperature:g}: give a number above 0, e.g. 2")
    if not 0 <= cfg.teacher_hidden < math.inf:
        raise PruneError(f"--teacher-hidden {cfg.teacher_hidden:g}: give a weight of at least 0")
    if is_taught and not cfg.teacher:
        raise PruneError("--criterion distilled_cross_entropy needs --teacher CHECKPOINT (or --teacher-word 0)")


def check_teaching(criterion: Any, task: Any, student: Any) -> None:
    """Checks flags and teachers before anything is written.

    Args:
        criterion: configuration of the criterion, whichever it is.
        task: fairseq's task.
        student: the model that is to learn.

    Raises:
        PruneError: see :func:`check_settings` and :func:`check_teachers`.
    """
    if criterion is None or "teacher_word" not in criterion:
        return
    check_settings(criterion)
    if teaching(criterion)["teacher"]:
        check_teachers(criterion.teacher, task, student, with_states=bool(criterion.teacher_hidden))


def check_teachers(paths: str, task: Any, student: Any, with_states: bool) -> None:
    """Checks that the checkpoints can teach a task: translation models of its languages and dictionaries.

    Args:
        paths: the value of ``--teacher``.
        task: fairseq's task.
        student: the model that is to learn from them.
        with_states: whether it learns their hidden states, too.

    Raises:
        PruneError: one cannot.
    """
    decoder = getattr(student, "decoder", None)
    has_adaptive = getattr(decoder, "adaptive_softmax", None) is not None
    if with_states and any(
        isinstance(getattr(stack, "layers", None), LayerDropModuleList)
        for stack in (decoder, getattr(student, "encoder", None))
    ):
        raise PruneError(
            "hidden states can only be learned by a student whose layers all run: leave out --encoder-layerdrop and"
            " --decoder-layerdrop, or give --teacher-hidden 0"
        )
    for path in split_paths(paths):
        if not Path(path).exists():
            raise PruneError(f"--teacher {path} does not exist")
        checkpoint = Checkpoint.load(path)
        if has_adaptive or any(key.startswith("decoder.adaptive_softmax.") for key in checkpoint.model):
            who = "the student" if has_adaptive else f"--teacher {path}"
            raise PruneError(
                f"{who} has an adaptive softmax, which gives no probabilities of all words to learn from; train"
                " without --adaptive-softmax-cutoff"
            )
        stacks = {key.partition(".")[0] for key in checkpoint.model}
        if not {"encoder", "decoder"} <= stacks or getattr(task, "source_dictionary", None) is None:
            raise PruneError(
                f"--teacher {path}: a teacher is an encoder and decoder that translates, as its student is"
            )
        ours, theirs = (tuple(map(str, both)) for both in (_languages(task), pair(checkpoint)))
        if ours != theirs and "None" not in (*ours, *theirs):
            raise PruneError(
                f"--teacher {path} translates {'-'.join(theirs)}, not {'-'.join(ours)}; give one of the same languages"
            )
        wanted = digests(task.source_dictionary.symbols, task.target_dictionary.symbols)
        if remark := compare(checkpoint.path, own(checkpoint), wanted, str(task.cfg.data)):
            logger.warning(remark)
        if with_states and (here := _sizes(student.state_dict())) != (there := _sizes(checkpoint.model)):
            raise PruneError(
                f"--teacher {path}: hidden states can only be learned from a teacher of equal shape: it has {there},"
                f" the student {here}; give --teacher-hidden 0 to learn its words alone"
            )


def load_teachers(paths: str, task: Any, student: Any, with_states: bool) -> list[Any]:
    """The teachers in evaluation mode and without gradients, where the student is and in its precision.

    Args:
        paths: the value of ``--teacher``.
        task: fairseq's task.
        student: the model that learns from them.
        with_states: whether it learns their hidden states, too.

    Raises:
        PruneError: see :func:`check_teachers`.
    """
    check_teachers(paths, task, student, with_states)
    first = next(student.parameters())
    teachers = []
    for path in split_paths(paths):
        try:
            # A model is built with random numbers, which would be missing in the training, and differ when it goes on.
            with torch.random.fork_rng(devices=[]):
                (teacher,), _, _ = checkpoint_utils.load_model_ensemble_and_task(
                    [path], arg_overrides={"data": task.cfg.data, "eval_bleu": False}
                )
        except Exception as error:  # fairseq raises bare Exception, RuntimeError, OSError, ...
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise PruneError(f"--teacher {path} cannot be loaded: {reason[0]}") from error
        _check_range(path, teacher, student, task)
        teachers.append(teacher.to(device=first.device, dtype=first.dtype).eval().requires_grad_(False))
    return teachers


@contextmanager
def encoder_states(model: Any) -> Iterator[list[Tensor]]:
    """Collects the hidden states of the encoder, embedding first, in forward passes of a model."""
    found: list[Tensor] = []
    handle = model.encoder.register_forward_hook(lambda module, given, out: found.extend(out["encoder_states"]))
    try:
        yield found
    finally:
        handle.remove()


def _languages(task: Any) -> tuple[Any, Any]:
    return getattr(task.cfg, "source_lang", None), getattr(task.cfg, "target_lang", None)


def _sizes(model: Mapping[str, Tensor]) -> str:
    """Layers and width of both stacks of a state dict, in words."""
    found = []
    for stack in ("encoder", "decoder"):
        layers = {key.split(".")[2] for key in model if key.startswith(f"{stack}.layers.")}
        width = next((one.shape[1] for key, one in model.items() if key == f"{stack}.embed_tokens.weight"), "unknown")
        found.append(f"{len(layers)} {stack} layers of width {width}")
    return " and ".join(found)


def _check_range(path: str, teacher: Any, student: Any, task: Any) -> None:
    """Checks that a teacher has positions for whatever the student is shown."""
    limits = (one.max_positions() for one in (teacher, student, task))
    for side, longest, *shown in zip(("source", "target"), *limits, strict=True):
        if longest < min(shown):
            raise PruneError(
                f"--teacher {path} has {longest} positions, and sentences may have {min(shown)} tokens; give"
                f" --max-{side}-positions {longest}"
            )
