"""fairseq-generate's flags as settings of any search."""

from argparse import ArgumentParser, Namespace
from typing import Any, NoReturn

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.translation import Decoding
from nmt_prune.runtime.settings.search_options import SearchOptions

_SETTINGS = {
    "beam": int,
    "lenpen": float,
    "unkpen": float,
    "max_len_a": float,
    "max_len_b": int,
    "min_len": int,
    "no_repeat_ngram_size": int,
    "temperature": float,
}
_OF_NO_INFLUENCE = ("max-tokens", "batch-size", "remove-bpe", "num-workers", "buffer-size", "required-seq-len-multiple")
_SWITCHES_OF_NO_INFLUENCE = ("cpu", "fp16", "quiet", "memory-efficient-fp16")


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise PruneError(f"flags of fairseq-generate: {message}")


def settings_of(generation: Any) -> SearchOptions:
    """The settings in a namespace with fairseq's names; what it does not have keeps its default."""
    known = {
        name: kind(value) for name, kind in _SETTINGS.items() if (value := getattr(generation, name, None)) is not None
    }
    is_unnormalized = getattr(generation, "unnormalized", False)
    if is_unnormalized:
        known.pop("lenpen", None)  # of which fairseq then takes no notice
    return SearchOptions(**known, normalize_scores=not is_unnormalized)


def search_options(decoding: Decoding) -> SearchOptions:
    """The settings of a decoding.

    Raises:
        PruneError: it has a flag that other programs than fairseq have no counterpart of.
    """
    parser = _Parser(add_help=False, allow_abbrev=False)
    for name, kind in _SETTINGS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind)
    parser.add_argument("--unnormalized", action="store_true")
    for name in _OF_NO_INFLUENCE:
        parser.add_argument(f"--{name}")
    for name in _SWITCHES_OF_NO_INFLUENCE:
        parser.add_argument(f"--{name}", action="store_true")
    found, foreign = parser.parse_known_args(decoding.flags(), Namespace())
    if foreign:
        raise PruneError(f"{foreign[0]} of fairseq-generate has no counterpart outside of it")
    return settings_of(found)
