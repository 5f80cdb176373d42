"""Imported by the server of :mod:`tests.programs`: its forks read the flags of fairseq's programs at once.

Reading them for the first time also fills caches of Hydra's parser.
"""

from fairseq import options
from fairseq.dataclass import utils

import nmt_prune.models.masked_transformer
import nmt_prune.models.shrunk_transformer
import nmt_prune.optimizers.scaled_adafactor
import nmt_prune.tasks.translation_pruning  # noqa: F401
from tests import composing

TRAINING = "--optimizer adam --lr-scheduler inverse_sqrt --criterion label_smoothed_cross_entropy --arch transformer"

composing.compose_once()
for parser, flags in (
    (options.get_training_parser, f"--task translation_pruning {TRAINING}"),
    (options.get_generation_parser, "--task translation_pruning --path checkpoint_last.pt"),
    (options.get_generation_parser, "--task translation --path checkpoint_last.pt"),
):
    utils.convert_namespace_to_omegaconf(options.parse_args_and_arch(parser(), ["data-bin", *flags.split()]))
