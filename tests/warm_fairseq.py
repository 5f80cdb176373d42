"""Imported by the server of :mod:`tests.programs`: its forks read the flags of fairseq's programs at once.

Reading them for the first time also fills caches of Hydra's parser. Entries of registries are imported when they are
first asked for, too.
"""

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

TRAINING = "--optimizer adam --lr-scheduler inverse_sqrt --criterion label_smoothed_cross_entropy --arch transformer"

composing.compose_once()
for parser, flags in (
    (options.get_training_parser, f"--task translation_pruning {TRAINING}"),
    (options.get_generation_parser, "--task translation_pruning --path checkpoint_last.pt"),
    (options.get_generation_parser, "--task translation --path checkpoint_last.pt"),
    (options.get_generation_parser, "--path checkpoint_last.pt"),
):
    utils.convert_namespace_to_omegaconf(options.parse_args_and_arch(parser(), ["data-bin", *flags.split()]))
for registry in (saliencies, budgets, groups, resets, schedules, regularisers, quantizers):
    registry.entries()
