"""The translator, around an engine that echoes and around one that translates."""

import json
import random
from itertools import count

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.runtime import translator as module
from nmt_prune.runtime.batching import BatchSize
from nmt_prune.runtime.results import LineResult
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.runtime.text_streams import as_json, as_nbest, as_text
from nmt_prune.runtime.torch_engine.engine import TorchEngine
from nmt_prune.runtime.translator import Translator
from nmt_prune.storage.model.splitting import Splitting
from nmt_prune.text.dictionaries import EOS
from tests.runtime.echo import WORDS, EchoEngine, echo_model
from tests.runtime.models import random_model

SMALL = BatchSize(3)


@pytest.fixture
def engine(monkeypatch) -> EchoEngine:
    echo = EchoEngine(echo_model())
    monkeypatch.setattr(module, "make_engine", lambda model, kind: echo)
    return echo


def sentences(number: int = 40) -> list[list[str]]:
    chance = random.Random(1)
    return [chance.choices(WORDS, k=chance.randint(1, 30)) for _ in range(number)]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("size", [{"max_batch_size": 4}, {"max_batch_size": 64, "batch_type": "tokens"}])
def test_results_come_in_order_and_batches_are_of_similar_lengths(engine, threads, size):
    source = sentences()
    results = Translator(echo_model(), threads=threads).translate_batch(source, **size)
    assert [result.hypotheses for result in results] == [[sentence] for sentence in source]
    assert all(result.scores == [] for result in results)
    assert sum(map(len, engine.batches)) == len(source)
    longest = sorted((max(map(len, batch)) for batch in engine.batches), reverse=True)
    assert sum(longest) < sum(sorted((len(sentence) + 1 for sentence in source), reverse=True)[: len(longest)])


def test_threads_translate_side_by_side(monkeypatch):
    import threading

    together = threading.Barrier(2, timeout=30)

    class Waiting(EchoEngine):
        def search(self, *arguments):
            together.wait()
            return super().search(*arguments)

    waiting = Waiting(echo_model())
    monkeypatch.setattr(module, "make_engine", lambda model, kind: waiting)
    source = sentences(8)
    results = Translator(echo_model(), threads=2).translate_batch(source, max_batch_size=2)
    assert [result.hypotheses for result in results] == [[sentence] for sentence in source]
    assert len(waiting.threads) == 2


def test_several_hypotheses_scores_and_prefixes(engine):
    source, prefix = [["one", "two", "three"], ["four", "ä"]], [["ä"], None]
    results = Translator(echo_model()).translate_batch(source, prefix, num_hypotheses=2, return_scores=True)
    assert results[0].hypotheses == [["ä", "one", "two", "three"], ["ä", "one", "two"]]
    assert results[1].hypotheses == [["four", "ä"], ["four"]]
    assert results[1].scores == [-0.5, -1.5]


def test_unknown_words_padding_and_nothing(engine):
    source = [["one", "five", "<pad>", "two"], [], ["<pad>"]]
    results = Translator(echo_model()).translate_batch(source, num_hypotheses=2, beam_size=2, return_scores=True)
    assert results[0].hypotheses[0] == ["one", "<unk>", "two"]
    assert results[1] == results[2] == ([[], []], [0.0, 0.0], [], [])
    assert engine.batches == [[[4, 3, 5, EOS]]]
    assert Translator(echo_model()).translate_batch([]) == []


def test_a_sentence_that_is_too_long_is_left_out(engine):
    source = [["one"] * 49, ["two"] * 50, ["three"]]
    results = Translator(echo_model()).translate_batch(source)
    assert [len(result.hypotheses) for result in results] == [1, 0, 1]
    lines = [" ".join(words) for words in source]
    whole, left_out, short = Translator(echo_model()).translate_lines(lines)
    assert whole.lines == [lines[0]]
    assert short == LineResult(["three"], [["three"]], [-0.5])
    assert left_out == LineResult([], [], [], "its 51 tokens are more than the 50 that the model can read")


def test_lines_are_read_as_they_are_needed(engine):
    read = []

    def endless():
        for number in count():
            read.append(number)
            yield f"{WORDS[number % 3]} two"

    results = Translator(echo_model()).translate_lines(endless(), batch_size=SMALL, buffer_size=7)
    found = [next(results).lines[0] for _ in range(9)]
    assert found == [f"{WORDS[number % 3]} two" for number in range(9)]
    assert len(read) == 14
    assert [len(batch) for batch in engine.batches] == [3, 3, 1, 3, 3, 1]


def test_line_prefixes(engine):
    translate = Translator(echo_model()).translate_lines
    results = translate(["one", "two", "three"], prefixes=["", "ä four", ""], buffer_size=2)
    assert [result.lines for result in results] == [["one"], ["ä four two"], ["three"]]
    results = translate(["one", "two", "three"], prefixes=["", "ä four", "two"], prefix_size=1)
    assert [result.lines for result in results] == [["one"], ["ä two"], ["two three"]]
    with pytest.raises(PruneError, match="prefix_size 2 does nothing without prefixes"):
        translate(["one"], prefix_size=2)
    with pytest.raises(ValueError, match="prefix_size 0 is too small; the least is 1"):
        translate(["one"], prefixes=["two"], prefix_size=0)
    for prefixes in (["", "ä"], ["", "", "", ""]):
        with pytest.raises(PruneError, match="not as many prefixes as lines"):
            list(translate(["one", "two", "three"], prefixes=prefixes, buffer_size=2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 0}, "--beam 0 is too small; the least is 1"),
        ({"beam": 2, "nbest": 3}, "--nbest 3 is more than --beam 2"),
        ({"temperature": 0.0}, "--temperature 0.0"),
        ({"temperature": 1e-42}, "--temperature 1e-42 is too small; the least is 1e-30"),
        ({"lenpen": 350.0}, "--lenpen 350.0 leaves no scores to compare; give -50 to 50"),
        ({"max_len_b": -1}, "--max-len-b -1"),
        ({"no_repeat_ngram_size": -1}, "--no-repeat-ngram-size -1"),
        ({"min_len": 60}, "--min-len 60 is more than the longest translation, 49, of a source of 50 tokens"),
        ({"lenpen": 2.0, "normalize_scores": False}, "--lenpen 2.0 does nothing with --unnormalized"),
        ({"min_len": 9, "max_len_a": 2.0, "max_len_b": 3}, "longest translation, 7, of a source of 2 tokens"),
    ],
)
def test_options_that_mean_nothing(engine, options, message):
    with pytest.raises(PruneError, match=message):
        list(Translator(echo_model()).translate_lines(["one two three", "one"], SearchOptions(**options)))


def test_other_arguments_that_mean_nothing(engine):
    with pytest.raises(ValueError, match="threads 0 is too small; the least is 1"):
        Translator(echo_model(), threads=0)
    translator = Translator(echo_model())
    with pytest.raises(PruneError, match="batch_type words is unknown; choose examples or tokens"):
        translator.translate_batch([["one"]], batch_type="words")
    with pytest.raises(PruneError, match="1 prefixes for 2 sentences"):
        translator.translate_batch([["one"], ["two"]], [["one"]])
    with pytest.raises(PruneError, match="0 prefixes for 1 sentences"):
        translator.translate_batch([["one"]], [])
    with pytest.raises(
        PruneError, match=r"min_decoding_length 9 is .* translation, 4, .* or raise max_decoding_length"
    ):
        translator.translate_batch([["one"]], max_decoding_length=4, min_decoding_length=9)
    with pytest.raises(PruneError, match="--min-len 9"):  # before a line is read
        translator.translate_lines(iter(()), SearchOptions(min_len=9, max_len_b=4))
    with pytest.raises(PruneError, match="prefix has the end of sentence"):
        translator.translate_batch([["one"]], [["</s>"]])


def test_a_real_engine_translates_as_it_does_alone():
    compact = random_model(seed=3)
    chance = random.Random(1)
    source = [chance.choices(compact.source[4:], k=chance.randint(1, 12)) for _ in range(9)]
    results = Translator(compact, "torch", threads=2).translate_batch(
        source, max_batch_size=2, max_decoding_length=20, num_hypotheses=3, return_scores=True
    )
    for sentence, result in zip(source, results, strict=True):
        rows = [*(compact.source.index(word) for word in sentence), EOS]
        (alone,) = TorchEngine(compact).search([rows], SearchOptions(nbest=3, max_len_b=20))
        assert result.hypotheses == [[compact.target[row] for row in found.tokens[:-1]] for found in alone]
        assert result.scores == pytest.approx([found.score for found in alone], abs=1e-5)


def test_a_beam_wider_than_the_dictionary_is_narrowed():
    compact = random_model(words=6)
    wide, fitting = (
        Translator(compact, "torch").translate_batch([["w1", "w2"]], beam_size=beam, num_hypotheses=beam)
        for beam in (100, 9)
    )
    assert wide == fitting
    assert len(fitting[0].hypotheses) == 9


@pytest.mark.parametrize("scores", [True, False])
@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_a_line_without_a_translation_does_not_end_the_run(engine, scores):
    # Of 22 words none may come twice, but for those of a prefix.
    options = SearchOptions(beam=1, min_len=24, max_len_b=26, no_repeat_ngram_size=1, scores=scores)
    translator = Translator(random_model(words=20), engine)
    results = list(
        translator.translate_lines(["w3", "w4", "w3"], options, prefixes=["", "w1 w1 w1", ""], return_attention=True)
    )
    assert [len(result.lines) for result in results] == [0, 1, 0]
    assert results[0] == LineResult([], [], [], translator._search.why_nothing(["w3"]), ["w3"], [], [])
    assert "no translation has a probability above 0" in results[0].problem


@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_an_empty_line_has_empty_translations(engine):
    translator, options = Translator(random_model(words=20), engine), SearchOptions(nbest=2)
    (found,) = translator.translate_lines([" "], options, prefixes=["w3"], return_attention=True)
    assert (found.lines, found.scores, found.problem, found.alignments) == (["", ""], [0, 0], "", [(), ()])
    assert [as_text(0, found, kind) for kind in (None, "hard", "soft")] == ["\n", "\t\n", "\t\n"]
    assert as_nbest(4, found, "soft") == "4\t0.000000\t\t\n" * 2
    assert json.loads(as_json(0, found, "soft"))["attention"] == [[], []]


def test_what_is_for_files_alone_is_refused_of_a_model_in_memory(engine):
    for name, value in (("values", "int8"), ("data", "folder")):
        with pytest.raises(PruneError, match=f"{name} is for models in files; give the path of one, or leave it out"):
            Translator(echo_model(), **{name: value})


def test_a_model_in_memory_is_split_as_is_said(engine):
    with pytest.raises(PruneError, match="the model's subwords are by sentencepiece, but"):
        Translator(echo_model(), splitting=Splitting(bpe="sentencepiece"))
