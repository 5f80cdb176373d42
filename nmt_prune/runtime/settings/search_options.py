"""What to search for: fairseq-generate's settings of the same names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Attention = npt.NDArray[np.float32]
"""A row for each target token, a column for each source token; rows sum up to 1."""
Alignment = Sequence[tuple[int, int]]
"""Positions in source and target, counted from 0; ends of sentence do not count, a ``<s>`` does, as in fairseq."""


@dataclass(frozen=True)
class SearchOptions:
    """Beam search, or sampling, as ``fairseq.sequence_generator.SequenceGenerator`` does it.

    Attributes:
        beam: hypotheses kept.
        nbest: hypotheses returned, at most ``beam``.
        lenpen: a hypothesis' score is divided by its length, end of sentence included, to this power.
        unkpen: subtracted from the log-probability of the unknown word.
        max_len_a: longest output is ``max_len_a`` · source length + ``max_len_b``; the source's end of sentence counts.
        max_len_b: see ``max_len_a``.
        min_len: shortest output, end of sentence not counted.
        no_repeat_ngram_size: no n-gram of this size twice in a hypothesis; 0 allows all.
        normalize_scores: divide scores by length at all (fairseq's ``--unnormalized`` says no).
        temperature: divides the logits.
        scores: whether scores are wanted; where they are not, a beam of 1 does without a softmax.
        sampling: draw ``beam`` translations, each word by its probability, instead of searching for the best.
        sampling_topk: draw among so many of the most likely words; 0: all.
        sampling_topp: draw among as few of the most likely words as have this probability together; 0: all.
        seed: of what is drawn; None: 1.
    """

    beam: int = 5
    nbest: int = 1
    lenpen: float = 1.0
    unkpen: float = 0.0
    max_len_a: float = 0.0
    max_len_b: int = 200
    min_len: int = 1
    no_repeat_ngram_size: int = 0
    normalize_scores: bool = True
    temperature: float = 1.0
    scores: bool = True
    sampling: bool = False
    sampling_topk: int = 0
    sampling_topp: float = 0.0
    seed: int | None = None

    @property
    def is_greedy(self) -> bool:
        """Whether the most likely word is all that is asked for at each step."""
        return self.beam == 1 and not self.scores and not self.sampling


class Hypothesis(NamedTuple):
    """One translation.

    Attributes:
        tokens: rows of the target dictionary, the end of sentence last.
        score: what the hypotheses are ranked by; nan of a beam of 1 without scores.
        token_scores: log-probability of each token; none of a beam of 1 without scores.
        attention: if asked for, of each token how much of each source token it takes, ends of sentence included.
        alignment: if asked for, the source token that each token takes most of; see ``hard_alignment``.
    """

    tokens: list[int]
    score: float
    token_scores: list[float]
    attention: Attention = np.zeros((0, 0), np.float32)
    alignment: Alignment = ()


class Engine(Protocol):
    """What runs a model: compiled (fast) or in torch (anywhere)."""

    def search(
        self,
        sources: Sequence[Sequence[int]],
        options: SearchOptions,
        prefixes: Sequence[Sequence[int]] | None = None,
        words: npt.NDArray[np.int32] | None = None,
        draws: Sequence[Sequence[float]] | None = None,
    ) -> list[list[Hypothesis]]:
        """Translates one batch.

        Args:
            sources: rows of the source dictionary, each ending with the end of sentence.
            options: the settings.
            prefixes: tokens with which each translation must begin.
            words: rows of the target dictionary of which translations are made, ascending; probabilities are theirs
                alone. The end of sentence and the prefixes' tokens are among them. None: all.
            draws: of each source, where words are sampled: see ``nmt_prune.runtime.sampling.draws``.

        Returns:
            For each source its ``nbest`` hypotheses, the best first; fewer, or none, where the options forbid every
            word or logits are not numbers.
        """
        ...


class AligningEngine(Engine, Protocol):
    """An engine that says where translations come from."""

    def attention(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[Sequence[int]]]
    ) -> list[list[Attention]]:
        """The cross-attention of the decoder's last layer, averaged over its heads, as the targets are read again.

        Args:
            sources: rows of the source dictionary, each ending with the end of sentence.
            targets: translations of each, as ``Hypothesis.tokens``.

        Returns:
            For each source the attention of each of its targets.
        """
        ...
