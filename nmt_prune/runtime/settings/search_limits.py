"""What an engine may be asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from types import MappingProxyType

from nmt_prune.errors import PruneError
from nmt_prune.runtime.settings.arguments import ArgumentError, check_kind, check_number
from nmt_prune.runtime.settings.search_options import SearchOptions

_LEAST = {"beam": 1, "nbest": 1, "min_len": 0, "max_len_a": 0, "max_len_b": 0, "no_repeat_ngram_size": 0}
_LEAST |= {"sampling_topk": 0, "sampling_topp": 0, "seed": 0}


# Further out, float32 and powers of lengths have no numbers left that could be told apart.
_COLDEST, _STRONGEST = 1e-30, 50


def check_options(options: SearchOptions, names: Mapping[str, str] = MappingProxyType({})) -> None:
    """Refuses settings that mean nothing.

    Args:
        options: the settings.
        names: what messages call some of them; the others by their flags.

    Raises:
        ArgumentError: one is out of range.
        TypeError: one is of another type.
    """
    check_kind("options", options, SearchOptions, "SearchOptions")
    name = {field.name: names.get(field.name) or "--" + field.name.replace("_", "-") for field in fields(options)}
    for field in fields(options):
        value = getattr(options, field.name)
        if value is None and field.default is None:
            continue
        if field.type is bool:
            check_kind(name[field.name], value, bool, "True or False")
        else:
            kind = float if field.type is float else int
            check_number(name[field.name], value, kind, _LEAST.get(field.name))
    if options.temperature < _COLDEST:
        raise ArgumentError(f"{name['temperature']} {options.temperature} is too small; the least is {_COLDEST:g}")
    if abs(options.lenpen) > _STRONGEST:
        raise ArgumentError(
            f"{name['lenpen']} {options.lenpen} leaves no scores to compare; give -{_STRONGEST} to {_STRONGEST}"
        )
    if options.nbest > options.beam:
        raise ArgumentError(
            f"{name['nbest']} {options.nbest} is more than {name['beam']} {options.beam}; widen the beam"
        )
    if options.lenpen != SearchOptions.lenpen and not options.normalize_scores:
        raise ArgumentError(
            f"{name['lenpen']} {options.lenpen} does nothing with --unnormalized (normalize_scores=False), which"
            " divides no scores; leave one of them out"
        )
    _check_sampling(options, name)


def _check_sampling(options: SearchOptions, name: Mapping[str, str]) -> None:
    if options.sampling_topp > 1:
        raise ArgumentError(f"{name['sampling_topp']} {options.sampling_topp} is too large; it is a probability")
    if options.sampling_topk and options.sampling_topp:
        raise ArgumentError(f"{name['sampling_topk']} and {name['sampling_topp']} exclude each other; give one")
    for setting in ("sampling_topk", "sampling_topp", "seed"):
        if not options.sampling and getattr(options, setting) != getattr(SearchOptions, setting):
            raise ArgumentError(
                f"{name[setting]} {getattr(options, setting)} does nothing without {name['sampling']}; add it"
            )


def check_finite(name: str, is_finite: bool) -> None:
    """Refuses a weight with nan or inf, with which every translation would be one.

    Raises:
        PruneError: it has one.
    """
    if not is_finite:
        raise PruneError(f"{name} has weights that are not finite (nan or inf); nothing can be translated with them")


def fit_beam(options: SearchOptions, words: int) -> SearchOptions:
    """Narrows a beam that is wider than there are words, as fairseq does; samples do not compete, and all stay.

    Args:
        options: the settings.
        words: size of the target dictionary; its padding is never said.
    """
    if options.sampling:
        return options
    beam = min(options.beam, words - 1)
    return replace(options, beam=beam, nbest=min(options.nbest, beam))


def longest_output(options: SearchOptions, source_length: int, max_positions: int) -> int:
    """Longest translation of a source, end of sentence not counted.

    Args:
        options: the settings.
        source_length: tokens of the source, end of sentence included.
        max_positions: longest sequence of the decoder.
    """
    return min(int(options.max_len_a * source_length + options.max_len_b), max_positions - 1)


def check_limits(
    options: SearchOptions,
    lengths: Sequence[int],
    max_positions: int,
    names: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Refuses a shortest translation that is longer than the longest one of some source.

    Args:
        options: the settings.
        lengths: tokens of the sources, ends of sentence included.
        max_positions: longest sequence of the decoder.
        names: see :func:`check_options`.

    Raises:
        ArgumentError: there is such a source.
    """
    if not lengths:
        return
    limit = longest_output(options, min(lengths), max_positions)
    if options.min_len > limit:
        raise ArgumentError(
            f"{names.get('min_len', '--min-len')} {options.min_len} is more than the longest translation, {limit}, of a"
            f" source of {min(lengths)} tokens; lower it or raise {names.get('max_len_b', '--max-len-b')}"
        )
