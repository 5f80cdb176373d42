"""Beam search and sampling, step by step as ``fairseq.sequence_generator.SequenceGenerator`` does it."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.runtime.settings.search_options import Hypothesis, SearchOptions
from nmt_prune.runtime.torch_engine.sampling import drawn_words
from nmt_prune.text.dictionaries import EOS, PAD, UNK

_NEVER = -math.inf


class BeamSearch:
    """The hypotheses of a batch.

    A sentence is searched for as if it were alone in its batch; fairseq takes the longest output of a batch from its
    longest source, and the shortest output holds for none of its sentences while any is within its prefix. No n-gram is
    repeated if so asked; in fairseq 0.12 that has no effect on a CPU. What a prefix forces may be repeated.

    Args:
        limits: longest output of each sentence, end of sentence not counted.
        options: what to search for.
        prefixes: tokens with which each translation must begin.
        draws: of each sentence, where words are sampled: beam × (longest output + 1).

    Raises:
        PruneError: words are to be sampled, and the draws are not such.
    """

    def __init__(
        self,
        limits: Sequence[int],
        options: SearchOptions,
        prefixes: Sequence[Sequence[int]],
        draws: Sequence[Sequence[float]] | None = None,
    ) -> None:
        self._options, self._beam = options, options.beam
        self._finished: list[list[Hypothesis]] = [[] for _ in limits]
        self._step = 0
        # All below has a row for each sentence that is not done.
        self._sentences = torch.arange(len(limits))
        self._limits = torch.tensor(limits)
        lengths = torch.tensor([len(prefix) for prefix in prefixes])
        self._prefix_lengths = torch.minimum(lengths, self._limits)
        self._prefixes = torch.full((len(limits), max(map(len, prefixes), default=0)), PAD)
        for row, prefix in zip(self._prefixes, prefixes, strict=True):
            row[: len(prefix)] = torch.tensor(prefix)
        self._tokens = torch.full((len(limits), self._beam, 1), EOS)
        self._token_scores = torch.zeros(len(limits), self._beam, 0)
        self._scores = torch.zeros(len(limits), self._beam)
        self._draws = torch.zeros(len(limits), self._beam, max(limits, default=0) + 1, dtype=torch.float64)
        if options.sampling:
            given = [torch.tensor(own, dtype=torch.float64) for own in draws or ()]
            fit = [len(own) for own in given] == [self._beam * (limit + 1) for limit in limits]
            if not fit or not all(((own >= 0) & (own < 1)).all() for own in given):
                raise PruneError(
                    "sampling takes beam x (max_len + 1) draws of each source, from 0 to 1; make them with"
                    " nmt_prune.runtime.sampling.draws"
                )
            for table, own, limit in zip(self._draws, given, limits, strict=True):
                table[:, : limit + 1] = own.view(self._beam, -1)

    @property
    def is_done(self) -> bool:
        """Whether all sentences are."""
        return not len(self._sentences)

    @property
    def last_tokens(self) -> Tensor:
        """What the decoder reads next: those of the first sentence that is not done, then the next one's."""
        return self._tokens[:, :, -1].flatten()

    def results(self) -> list[list[Hypothesis]]:
        """The best hypotheses of each sentence, the best first."""
        ranked = (sorted(found, key=lambda hypothesis: -hypothesis.score) for found in self._finished)
        return [hypotheses[: self._options.nbest] for hypotheses in ranked]

    def advance(self, logits: Tensor) -> tuple[Tensor | None, Tensor]:
        """Extends the hypotheses by a token.

        Args:
            logits: what the decoder says after ``last_tokens``, hypotheses × target dictionary.

        Returns:
            Which sentences go on (None: all), and which hypothesis each new one continues, both by index.
        """
        log_probs = self._log_probs(logits)
        before = self._scores.unsqueeze(2)
        # What could not go on does not rise again.
        totals = log_probs.masked_fill(before == _NEVER, _NEVER) if self._options.is_greedy else log_probs + before
        words, rows = totals.shape[2], self._beam
        if self._options.sampling:
            # Each goes on by itself.
            drawn = drawn_words(log_probs, self._draws[:, :, self._step], self._options)
            chosen = torch.arange(rows) * words + drawn
            scores = totals.flatten(1).gather(1, chosen)
        else:
            if self._step == 0:
                rows = 1  # they are all the same
            # Twice as many as go on, since some may end; one less than there are, for the padding.
            scores, chosen = totals[:, :rows].flatten(1).topk(min(2 * self._beam, rows * words - 1))
        parents, tokens = chosen // words, chosen % words
        token_scores = log_probs.flatten(1).gather(1, chosen)
        ends = (tokens == EOS) & (scores > _NEVER)
        self._finish(ends[:, : self._beam], parents, scores, token_scores)

        done = self._limits <= self._step
        done |= torch.tensor([len(self._finished[sentence]) == self._beam for sentence in self._sentences.tolist()])
        # Stable, so that what does not end stays in the order of its scores.
        going_on = ends.long().sort(dim=1, stable=True).indices[:, : self._beam]
        if self._options.sampling:
            going_on = torch.arange(self._beam).expand(len(ends), -1)
        scores = scores.masked_fill(ends, _NEVER)
        chosen_columns = (column.gather(1, going_on) for column in (parents, tokens, scores, token_scores))
        return self._go_on((~done).nonzero().flatten(), *chosen_columns)

    def _log_probs(self, logits: Tensor) -> Tensor:
        """Log-probabilities, sentences × beam × words; minus infinity for what must not be said."""
        options, step = self._options, self._step
        log_probs = logits / options.temperature
        if options.is_greedy:  # of a softmax that nobody asks for only the order is left
            log_probs[~log_probs.amax(dim=1).isfinite()] = _NEVER
        else:
            log_probs = log_probs.log_softmax(dim=1)
        log_probs = log_probs.view(*self._scores.shape, -1)
        log_probs = log_probs.masked_fill(log_probs.isnan(), _NEVER)
        log_probs[..., PAD] = _NEVER
        log_probs[..., UNK] -= options.unkpen
        forced = self._prefix_lengths > step
        if options.no_repeat_ngram_size:
            self._forbid_repetition(log_probs, ~forced)
        if step < options.min_len:
            log_probs[~forced, :, EOS] = _NEVER
        only = torch.where(self._limits <= step, EOS, PAD)
        if forced.any():
            only[forced] = self._prefixes[forced, step]
        free = (only == PAD).unsqueeze(1) | (torch.arange(log_probs.shape[2]) == only.unsqueeze(1))
        return log_probs.masked_fill(~free.unsqueeze(1), _NEVER)

    def _forbid_repetition(self, log_probs: Tensor, free: Tensor) -> None:
        """Forbids tokens that would repeat an n-gram, in the sentences that are free to choose."""
        context = self._options.no_repeat_ngram_size - 1
        for sentence in free.nonzero().flatten().tolist():
            for row, tokens in enumerate(self._tokens[sentence, :, 1:].tolist()):
                last = tokens[len(tokens) - context :]
                places = range(len(tokens) - context)
                repeated = [tokens[place + context] for place in places if tokens[place : place + context] == last]
                log_probs[sentence, row, repeated] = _NEVER

    def _finish(self, ends: Tensor, parents: Tensor, scores: Tensor, token_scores: Tensor) -> None:
        """Takes up the hypotheses that end, as far as there is room for them."""
        length = self._step + 1
        penalty = length**self._options.lenpen if self._options.normalize_scores else 1.0
        for row, place in ends.nonzero().tolist():
            found = self._finished[int(self._sentences[row])]
            if len(found) < self._beam:
                parent = int(parents[row, place])
                tokens = [*self._tokens[row, parent, 1:].tolist(), EOS]
                by_token = [*self._token_scores[row, parent].tolist(), float(token_scores[row, place])]
                score = float(scores[row, place]) / penalty
                found.append(Hypothesis(tokens, *((math.nan, []) if self._options.is_greedy else (score, by_token))))

    def _go_on(
        self, kept: Tensor, parents: Tensor, tokens: Tensor, scores: Tensor, token_scores: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        sentences = None if len(kept) == len(self._sentences) else kept
        hypotheses = (kept.unsqueeze(1) * self._beam + parents[kept]).flatten()
        self._tokens = self._extend(self._tokens, hypotheses, tokens[kept])
        self._token_scores = self._extend(self._token_scores, hypotheses, token_scores[kept])
        self._scores = scores[kept]
        self._sentences, self._limits, self._draws = self._sentences[kept], self._limits[kept], self._draws[kept]
        self._prefixes, self._prefix_lengths = self._prefixes[kept], self._prefix_lengths[kept]
        self._step += 1
        return sentences, hypotheses

    def _extend(self, history: Tensor, hypotheses: Tensor, new: Tensor) -> Tensor:
        return torch.cat([history.flatten(0, 1)[hypotheses].unflatten(0, new.shape), new.unsqueeze(2)], dim=2)
