"""Translating sentences in Python, in the manner of CTranslate2's ``Translator``."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, repeat, zip_longest
from pathlib import Path
from typing import NamedTuple

from nmt_prune.errors import PruneError
from nmt_prune.runtime.batched_search import BatchedSearch
from nmt_prune.runtime.batching import BatchSize
from nmt_prune.runtime.engines import make_engine
from nmt_prune.runtime.loading import load_model
from nmt_prune.runtime.search_options import Hypothesis, SearchOptions
from nmt_prune.runtime.segmentation import Segmentation
from nmt_prune.storage.model import CompactModel
from nmt_prune.storage.splitting import AS_FOUND, Splitting


class TranslationResult(NamedTuple):
    """What was found for a sentence.

    Attributes:
        hypotheses: subwords of each translation, the best first; none where the sentence was too long for the model.
        scores: their scores, if asked for.
    """

    hypotheses: list[list[str]]
    scores: list[float]


class LineResult(NamedTuple):
    """What was found for a line of text.

    Attributes:
        lines: the translations, the best first; none where the line was not translated.
        tokens: their subwords.
        scores: their scores, natural logarithms of probabilities; see ``SearchOptions.lenpen``.
        problem: why the line was not translated; empty if it was.
    """

    lines: list[str]
    tokens: list[list[str]]
    scores: list[float]
    problem: str = ""


class Translator:
    """Translates with one model, a sentence of any batch as it would be alone.

    Args:
        model: a compact model, or the path of one or of a checkpoint of fairseq's.
        engine: ``auto``, ``compiled`` or ``torch``.
        threads: batches that are translated at the same time.
        values: type to which weights are converted, as ``nmt-prune pack`` calls it; None: as they are.
        data: of a checkpoint: the folder with its dictionaries; None: the one that it was trained on.
        splitting: what is known about the splitting of its text; the rest is as the model says.

    Raises:
        PruneError: there is no such model or engine.
    """

    def __init__(
        self,
        model: CompactModel | Path | str,
        engine: str = "auto",
        threads: int = 1,
        values: str | None = None,
        data: Path | None = None,
        splitting: Splitting = AS_FOUND,
    ) -> None:
        if not isinstance(model, CompactModel):
            model = load_model(model, data, values, splitting=splitting)
        self._segmentation = Segmentation(model)
        self._search = BatchedSearch(model, make_engine(model, engine), threads)

    def translate_batch(
        self,
        source: Sequence[Sequence[str]],
        target_prefix: Sequence[Sequence[str] | None] | None = None,
        *,
        max_batch_size: int = 32,
        batch_type: str = "examples",
        beam_size: int = 5,
        num_hypotheses: int = 1,
        length_penalty: float = 1.0,
        unk_penalty: float = 0.0,
        no_repeat_ngram_size: int = 0,
        max_decoding_length: int = 200,
        min_decoding_length: int = 1,
        return_scores: bool = False,
    ) -> list[TranslationResult]:
        """Translates subwords; arguments are called and mean what they do in CTranslate2, defaults are fairseq's.

        Args:
            source: subwords of each sentence; one without any has empty translations.
            target_prefix: subwords with which each translation must begin.
            max_batch_size: most sentences of a batch, or most tokens with padding.
            batch_type: ``examples`` or ``tokens``.
            beam_size: see ``SearchOptions.beam``.
            num_hypotheses: see ``SearchOptions.nbest``.
            length_penalty: see ``SearchOptions.lenpen``.
            unk_penalty: see ``SearchOptions.unkpen``.
            no_repeat_ngram_size: see ``SearchOptions``.
            max_decoding_length: longest translation.
            min_decoding_length: shortest translation.
            return_scores: whether results have scores.

        Raises:
            PruneError: the arguments contradict each other.
        """
        if batch_type not in ("examples", "tokens"):
            raise PruneError(f"batch_type {batch_type} is unknown; choose examples or tokens")
        size = BatchSize(max_batch_size) if batch_type == "examples" else BatchSize(None, max_batch_size)
        options = SearchOptions(
            beam=beam_size,
            nbest=num_hypotheses,
            lenpen=length_penalty,
            unkpen=unk_penalty,
            max_len_b=max_decoding_length,
            min_len=min_decoding_length,
            no_repeat_ngram_size=no_repeat_ngram_size,
        )
        prefixes = [prefix or () for prefix in target_prefix or [None] * len(source)]
        return [
            TranslationResult(
                [self._search.subwords(hypothesis) for hypothesis in found],
                [hypothesis.score for hypothesis in found] if return_scores else [],
            )
            for found in self._search.search(source, prefixes, options, size)
        ]

    def translate_lines(
        self,
        lines: Iterable[str],
        options: SearchOptions | None = None,
        *,
        prefixes: Iterable[str] | None = None,
        batch_size: BatchSize | None = None,
        buffer_size: int = 1000,
    ) -> Iterator[LineResult]:
        """Translates lines of text, as many at a time as the buffer holds; results come in the order of the lines.

        Args:
            lines: the lines; an empty one has empty translations.
            options: what to search for.
            prefixes: what the translation of each line must begin with; empty: anything.
            batch_size: size of a batch.
            buffer_size: lines that are read before the first of them is translated, to be sorted by length.

        Raises:
            PruneError: the options contradict each other, or there are not as many prefixes as lines.
        """
        options, size = options or SearchOptions(), batch_size or BatchSize()
        pairs = zip(lines, repeat(""), strict=False) if prefixes is None else zip_longest(lines, prefixes)
        while buffer := list(islice(pairs, buffer_size)):
            if any(line is None or prefix is None for line, prefix in buffer):
                raise PruneError("there are not as many prefixes as lines; give one for each, an empty one for none")
            sources = [self._segmentation.split(line) for line, _ in buffer]
            begin = [self._segmentation.split(prefix, "target") for _, prefix in buffer]
            for source, found in zip(sources, self._search.search(sources, begin, options, size), strict=True):
                yield self._line(source, found)

    def _line(self, source: Sequence[str], found: Sequence[Hypothesis]) -> LineResult:
        tokens = [self._search.subwords(hypothesis) for hypothesis in found]
        lines = [self._segmentation.join(subwords) for subwords in tokens]
        scores = [hypothesis.score for hypothesis in found]
        return LineResult(lines, tokens, scores, "" if found else self._search.why_nothing(source))
