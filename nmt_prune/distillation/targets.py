"""From a block of training pairs to the pairs that a student is trained on."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

from data_prep.text.streaming import Block, Outcome
from nmt_prune.checkpoints import Checkpoint
from nmt_prune.distillation.settings import Distillation
from nmt_prune.distillation.teacher import Rows, Teacher, load_teacher
from nmt_prune.runtime.joining import joiner
from nmt_prune.runtime.settings.search_limits import longest_output
from nmt_prune.storage.checkpoints.vocabularies import read_joining
from nmt_prune.text.bleu import bleu_metric, tokenizer_of
from nmt_prune.text.dictionaries import BOS, EOS, PAD, languages, read_symbols

TRANSLATED, EMPTY, CUT, TOO_LONG = "translated", "empty translation", "cut translation", "source too long"

Quality = Callable[[Rows, Rows], float]
"""How near a hypothesis is to a reference."""


class Targets:
    """Gives each source of a block the teacher's translation.

    It is pickled by its settings alone: each process loads the teacher for itself.

    Args:
        settings: the teacher and what it searches for.
    """

    def __init__(self, settings: Distillation) -> None:
        self._settings = settings

    def __call__(self, block: Block) -> Outcome:
        """Both sides of the new pairs as lines of numbers, and how many pairs became what."""
        pairs, counts = self.pairs(
            [[int(row) for row in line.split()] for line in block.source],
            [[int(row) for row in line.split()] for line in block.target],
        )
        return Outcome([_lines(side) for side in zip(*pairs, strict=True)] or [b"", b""], counts)

    def pairs(
        self, sources: Sequence[Rows], references: Sequence[Rows]
    ) -> tuple[list[tuple[Rows, Rows]], Counter[str]]:
        """The pairs of a block.

        Args:
            sources: rows of the source dictionary, the end of sentence last.
            references: the same of the target.

        Returns:
            The new pairs in the order of the sources, each followed by its original where that is kept, and counts.
        """
        teacher = load_teacher(self._settings)
        pairs: list[tuple[Rows, Rows]] = []
        counts: Counter[str] = Counter()
        for source, reference, hypotheses in zip(sources, references, teacher.search(sources), strict=True):
            what, target = self._target(teacher, source, reference, hypotheses)
            counts[what] += 1
            pairs += [(source, target)] if what == TRANSLATED else []
            pairs += [(source, reference)] if self._settings.keep_originals else []
        return pairs, counts

    def _target(self, teacher: Teacher, source: Rows, reference: Rows, hypotheses: Sequence[Rows]) -> tuple[str, Rows]:
        if not hypotheses:
            return (EMPTY, []) if len(source) == 1 else (TOO_LONG, [])
        longest = longest_output(self._settings.search, len(source), teacher.longest_output)
        usable = [one for one in hypotheses if 1 < len(one) <= longest]
        if not usable:
            return (CUT if len(hypotheses[0]) > longest else EMPTY), []
        if len(usable) == 1:
            return TRANSLATED, usable[0]
        quality = load_quality(self._settings)
        return TRANSLATED, max(usable, key=lambda one: quality(one, reference))


@lru_cache(maxsize=1)
def load_quality(settings: Distillation) -> Quality:
    """Sentence BLEU of joined text, as sacreBLEU smooths it.

    Raises:
        PruneError: the subwords cannot be joined.
    """
    _, target = languages(settings.data)
    path = settings.data / f"dict.{target}.txt"
    symbols = read_symbols(path)
    join = joiner(*read_joining(Checkpoint.load(settings.teacher), symbols, path, None))
    metric = bleu_metric(tokenizer_of(target), effective_order=True)

    def text(rows: Rows) -> str:
        return join([symbols[row] for row in rows if row not in (BOS, PAD, EOS)])

    return lambda hypothesis, reference: float(metric.sentence_score(text(hypothesis), [text(reference)]).score)


def _lines(side: Sequence[Rows]) -> bytes:
    return "".join(f"{' '.join(map(str, rows))}\n" for rows in side).encode("ascii")
