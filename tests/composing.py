"""fairseq's flags in a twentieth of a second: Hydra composes the configuration groups that are asked for only once.

Composing is half of a tiny training: Hydra looks through the stack for its caller, reads some 50 files, parses 300
flags with a grammar and copies the whole configuration again and again. What a flag says is put in by Hydra's own code,
as ever.
"""

from collections.abc import Hashable, Sequence
from contextlib import nullcontext
from copy import deepcopy
from functools import cache
from pathlib import Path

import fairseq
from fairseq.dataclass import utils
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

COMPOSE, INITIALIZE = utils.compose, utils.initialize
_CONFIGURATIONS = Path(fairseq.__file__).parent / "config"

_known_flags: dict[Hashable, tuple[dict[str, str], DictConfig]] = {}
"""By what was composed and the names of the flags: flags that were put in once, and the configuration with them.
fairseq gives all 300 of a command each time, and most never change."""


def compose_once() -> None:
    """Has fairseq's programs in this process read their flags so."""
    utils.compose = _compose
    utils.initialize = lambda config_path: nullcontext()


def _compose(name: str, overrides: Sequence[str], strict: bool) -> DictConfig:
    groups = tuple(flag for flag in overrides if "." not in flag.partition("=")[0])
    # Composing for the first time adds Hydra's own.
    groups_of_nodes = {group: nodes for group, nodes in ConfigStore.instance().repo.items() if group != "hydra"}
    known = sum(len(nodes) for nodes in groups_of_nodes.values() if isinstance(nodes, dict))
    flags = {flag.partition("=")[0]: flag for flag in overrides if flag not in groups}
    place = name, groups, known, frozenset(flags)
    before, base = _known_flags.get(place) or ({}, _composed(name, groups, known))
    config = deepcopy(base)
    OmegaConf.set_struct(config, True)
    new = [_parsed(flag) for key, flag in flags.items() if before.get(key) != flag]
    ConfigLoaderImpl._apply_overrides_to_config(new, config)
    if place not in _known_flags:
        _known_flags[place] = flags, deepcopy(config)
    OmegaConf.set_struct(config, strict)
    return config


@cache
def _composed(name: str, groups: tuple[str, ...], known: int) -> DictConfig:
    """``known`` (how many configurations there are): a program that registers one composes anew."""
    with initialize_config_dir(str(_CONFIGURATIONS), version_base="1.1"):
        return COMPOSE(name, overrides=list(groups), strict=False)


@cache
def _parsed(flag: str) -> Override:
    return OverridesParser.create().parse_override(flag)
