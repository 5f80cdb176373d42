"""Arguments of the translator that are of another kind than they should be."""

import math

import numpy as np
import pytest

from nmt_prune.errors import PruneError
from nmt_prune.runtime import translator as module
from nmt_prune.runtime.batching import BatchSize
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.runtime.translator import Translator
from tests.runtime.echo import EchoEngine, echo_model


@pytest.fixture
def translator(monkeypatch) -> Translator:
    monkeypatch.setattr(module, "make_engine", lambda model, kind: EchoEngine(model))
    return Translator(echo_model())


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (["one two"], r"source\[0\]: expected a list of subwords, not str 'one two'"),
        ("one two", "source: expected a list of subwords for each sentence, not str 'one two'"),
        (b"one", "source: expected a list of subwords for each sentence, not bytes b'one'"),
        (None, "source: .* not NoneType None"),
        (5, "source: .* not int 5"),
        ({"one": 1}, "source: .* not dict"),
        ([[5, 6]], r"source\[0\]: expected a list of subwords as str, not int 5"),
        ([["one"], [b"two"]], r"source\[1\]: expected a list of subwords as str, not bytes b'two'"),
        ([["one"], [["two"]]], r"source\[1\]: expected a list of subwords as str, not list \['two'\]"),
        ([["one"], 5], r"source\[1\]: expected a list of subwords, not int 5"),
        ([["one", None]], r"source\[0\]: .* not NoneType None"),
    ],
)
def test_sources_and_prefixes(translator, source, message):
    with pytest.raises(TypeError, match=message):
        translator.translate_batch(source)
    if source is not None:
        with pytest.raises(TypeError, match=message.replace("source", "target_prefix")):
            translator.translate_batch([["one"], ["two"]], source)


def test_other_iterables_are_as_good_as_lists(translator):
    expected = translator.translate_batch([["one", "ä"], ["two"]])
    for source in ((("one", "ä"), ("two",)), (iter(words) for words in (["one", "ä"], ["two"]))):
        assert translator.translate_batch(source) == expected
    assert translator.translate_batch(np.array([["one", "ä"]])) == expected[:1]


INTEGERS = ("beam_size", "num_hypotheses", "max_batch_size", "no_repeat_ngram_size", "min_decoding_length")
REALS = ("length_penalty", "unk_penalty")


@pytest.mark.parametrize("name", [*INTEGERS, "max_decoding_length", *REALS])
@pytest.mark.parametrize("value", ["5", None, True, [1], b"1", 1j])
def test_what_is_no_number(translator, name, value):
    expected = "a number" if name in REALS else "a whole number"
    with pytest.raises(TypeError, match=f"{name}: expected {expected}, not {type(value).__name__}"):
        translator.translate_batch([["one"]], **{name: value})


@pytest.mark.parametrize("name", INTEGERS)
def test_whole_numbers(translator, name):
    with pytest.raises(TypeError, match=f"{name}: expected a whole number, not float 2.0"):
        translator.translate_batch([["one"]], **{name: 2.0})
    for value in (-1, 10**30):
        with pytest.raises(ValueError, match=f"{name} .* is too (small; the least|large; the most) is"):
            translator.translate_batch([["one"]], **{name: value})


@pytest.mark.parametrize("name", REALS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_finite_numbers(translator, name, value):
    with pytest.raises(ValueError, match=f"{name} {value} is no finite number"):
        translator.translate_batch([["one"]], **{name: value})


def test_relations_name_the_arguments(translator):
    with pytest.raises(ValueError, match="num_hypotheses 3 is more than beam_size 2"):
        translator.translate_batch([["one"]], beam_size=2, num_hypotheses=3)
    with pytest.raises(ValueError, match="num_hypotheses 0 is too small; the least is 1"):
        translator.translate_batch([["one"]], num_hypotheses=0)
    with pytest.raises(TypeError, match="return_scores: expected True or False, not int 1"):
        translator.translate_batch([["one"]], return_scores=1)


@pytest.mark.parametrize("lines", ["seventy", b"seventy", None, 5, {"a": 1}])
def test_lines_at_once(translator, lines):
    with pytest.raises(TypeError, match=r"lines: expected an iterable of lines, not .*; give a single line in a list"):
        translator.translate_lines(lines)
    if lines is not None:
        with pytest.raises(TypeError, match="prefixes: expected an iterable of lines"):
            translator.translate_lines(["one"], prefixes=lines)


@pytest.mark.parametrize("line", [b"two", None, 5, ["two"]])
def test_each_line(translator, line):
    with pytest.raises(TypeError, match=r"lines\[1\]: expected a line of text as str, not"):
        list(translator.translate_lines(["one", line]))
    with pytest.raises(TypeError, match=r"prefixes\[0\]: expected a line of text as str, not"):
        list(translator.translate_lines(["one"], prefixes=[line]))


@pytest.mark.parametrize("field", ["max_len_a", "lenpen", "unkpen", "temperature"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_options_are_finite(translator, field, value):
    with pytest.raises(PruneError, match=f"--{field.replace('_', '-')} {value} is no finite number"):
        translator.translate_lines(["one"], SearchOptions(**{field: value}))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"options": {"beam": 5}}, TypeError),
        ({"options": SearchOptions(beam="5")}, TypeError),
        ({"options": SearchOptions(normalize_scores=1)}, TypeError),
        ({"batch_size": 5}, TypeError),
        ({"batch_size": BatchSize("5")}, TypeError),
        ({"batch_size": BatchSize(0)}, ValueError),
        ({"batch_size": BatchSize(None, -1)}, ValueError),
        ({"buffer_size": 0}, ValueError),
        ({"buffer_size": 2.5}, TypeError),
    ],
)
def test_other_arguments_of_lines(translator, arguments, error):
    with pytest.raises(error, match=r"expected|too small"):
        translator.translate_lines(["one"], **arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": None},
        {"model": b"m"},
        {"engine": 1},
        {"threads": "2"},
        {"threads": True},
        {"values": 8},
        {"data": 1},
        {"splitting": {}},
    ],
)
def test_making_one(translator, arguments):
    with pytest.raises(TypeError, match=f"{next(iter(arguments))}: expected "):
        Translator(**{"model": echo_model(), **arguments})
