"""Imported by the server of :mod:`tests.programs`: its forks read the flags of fairseq's programs at once.

Reading them for the first time also fills caches of Hydra's parser. Entries of registries are imported when they are
first asked for, too.
"""

import argparse

from fairseq import options
from fairseq.dataclass import utils

import nmt_prune.models.masked_transformer
import nmt_prune.models.shrunk_transformer
import nmt_prune.optimizers.cyclic_rewarm
import nmt_prune.optimizers.scaled_adafactor
import nmt_prune.tasks.translation_pruning  # noqa: F401
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.quantization import quantizers
from nmt_prune.pruning.regularisers import regularisers
from nmt_prune.pruning.resets import resets
from nmt_prune.pruning.saliency import saliencies
from nmt_prune.pruning.schedules import schedules
from tests import composing

TRAINING = "--task translation_pruning --optimizer adam --criterion label_smoothed_cross_entropy --arch transformer"
GENERATION = "--path checkpoint_last.pt"


def generate_parser() -> argparse.ArgumentParser:
    """The flags of fairseq-generate, which gives itself an architecture to be able to read them."""
    parser = options.get_generation_parser()
    parser.add_argument("--arch", default="wav2vec2")
    return parser


composing.compose_once()
for parser, flags in (
    (options.get_training_parser, f"{TRAINING} --lr-scheduler inverse_sqrt"),
    (options.get_training_parser, f"{TRAINING} --lr-scheduler polynomial_decay --total-num-update 1"),
    (options.get_training_parser, TRAINING),
    (generate_parser, f"--task translation_pruning {GENERATION}"),
    (generate_parser, GENERATION),
    (options.get_generation_parser, f"--task translation_pruning {GENERATION}"),
    (options.get_generation_parser, GENERATION),
):
    utils.convert_namespace_to_omegaconf(options.parse_args_and_arch(parser(), ["data-bin", *flags.split()]))
for registry in (saliencies, budgets, groups, resets, schedules, regularisers, quantizers):
    registry.entries()
