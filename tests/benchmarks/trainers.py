"""fairseq trainers without files: a random batch, an invented dictionary, and otherwise what fairseq-train builds."""

import logging
import tempfile
import warnings
from typing import Any

import torch
from fairseq import options
from fairseq.data import Dictionary
from fairseq.data.language_pair_dataset import collate
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.tasks import TASK_REGISTRY
from fairseq.trainer import Trainer

import nmt_prune.models.masked_transformer
import nmt_prune.models.shrunk_transformer
import nmt_prune.tasks.translation_pruning  # noqa: F401  (all register what the flags name)


def build_trainer(vocabulary: int, *flags: str, device: str = "cpu") -> Trainer:
    """What fairseq-train would build from the flags, with Adam, clipping and a joined dictionary.

    Raises:
        SystemExit: fairseq does not know a flag.
    """
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")  # of Hydra, about how fairseq calls it
    arguments = [
        *("unused", "--share-all-embeddings", "--optimizer", "adam", "--adam-betas", "(0.9,0.98)"),
        *(["--cpu"] if device == "cpu" else ["--distributed-world-size", "1"]),
        *("--criterion", "label_smoothed_cross_entropy", "--label-smoothing", "0.1", "--clip-norm", "1.0"),
        *(
            "--lr",
            "1e-4",
            "--max-update",
            "1000",
            "--save-dir",
            f"{tempfile.gettempdir()}/nmt-prune-nothing-saved-here",
        ),
        *flags,
    ]
    parsed = options.parse_args_and_arch(options.get_training_parser(), arguments)
    parsed.tpu = False  # fairseq-train takes --bf16 for a TPU
    cfg = convert_namespace_to_omegaconf(parsed)
    dictionary = _dictionary(vocabulary)
    task = TASK_REGISTRY[cfg.task._name](cfg.task, dictionary, dictionary)
    torch.manual_seed(1)
    model = task.build_model(cfg.model)
    return Trainer(cfg, task, model, task.build_criterion(cfg.criterion))


def random_batch(vocabulary: int, sentences: int, length: int) -> dict[str, Any]:
    """A batch of ``sentences`` random pairs of ``length`` tokens, the end symbol included."""
    random, dictionary = torch.Generator().manual_seed(1), _dictionary(vocabulary)
    pairs = [
        {"id": index, **{side: _sentence(dictionary, length, random) for side in ("source", "target")}}
        for index in range(sentences)
    ]
    return collate(pairs, dictionary.pad(), dictionary.eos(), left_pad_source=True, left_pad_target=False)


def _sentence(dictionary: Dictionary, length: int, random: torch.Generator) -> torch.Tensor:
    words = torch.randint(dictionary.nspecial, len(dictionary), (length,), generator=random)
    words[-1] = dictionary.eos()
    return words


def _dictionary(vocabulary: int) -> Dictionary:
    dictionary = Dictionary()
    for number in range(vocabulary - dictionary.nspecial):
        dictionary.add_symbol(str(number))
    return dictionary
