"""Imported by the server of :mod:`tests.programs`: reading flags for the first time fills caches of Hydra's parser.

That takes a quarter of a second, which would else be the first that each of its forks does.
"""

from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf

convert_namespace_to_omegaconf(
    options.parse_args_and_arch(options.get_generation_parser(), ["data-bin", "--path", "checkpoint_last.pt"])
)
