"""A subset (valid, test, ...) of a data folder and its detokenized references."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.scores import Scores, score
from nmt_prune.evaluation.quality.text import read_lines
from nmt_prune.text.bleu import tokenizer_of
from nmt_prune.text.languages import language_pairs


@dataclass(frozen=True)
class Subset:
    """A binarized subset of a data folder, and the text that it is scored against.

    Attributes:
        data: the data folder, as fairseq-train takes it.
        name: ``valid``, ``test``, ...
        source: source language.
        target: target language.
        reference: detokenized reference; line i belongs to fairseq's sample i.
        tokenize: sacreBLEU's tokenizer for BLEU; None is that of the target language.
    """

    data: Path
    name: str
    source: str
    target: str
    reference: Path
    tokenize: str | None = None

    @classmethod
    def find(
        cls, data: Path | str, name: str, reference: Path | str | None = None, tokenize: str | None = None
    ) -> "Subset":
        """Looks a subset up by the names of fairseq's files.

        Args:
            data: the data folder.
            name: the subset.
            reference: detokenized reference; None is ``DATA/raw/SUBSET.TARGET``.
            tokenize: sacreBLEU's tokenizer for BLEU; None is that of the target language.

        Raises:
            PruneError: there is no such subset, several language pairs of it, or no reference.
        """
        data = Path(data)
        pairs = language_pairs(data, name)
        if not pairs:
            raise PruneError(f"{data} has no binarized subset {name!r}; make it with nmt-prune data")
        if len(pairs) > 1:
            known = sorted("-".join(pair) for pair in pairs)
            raise PruneError(f"{data} holds {name!r} for {', '.join(known)}; keep one language pair in a folder")
        source, target = pairs.pop()
        path = Path(reference) if reference is not None else data / "raw" / f"{name}.{target}"
        if not path.is_file():
            raise PruneError(f"reference {path} does not exist; give --reference with the detokenized text")
        return cls(data, name, source, target, path, tokenize)

    @property
    def tokenizer(self) -> str:
        """The tokenizer of sacreBLEU for BLEU."""
        return self.tokenize or tokenizer_of(self.target)

    def score(self, hypotheses: Sequence[str]) -> Scores:
        """Scores detokenized hypotheses, one per reference.

        Raises:
            PruneError: see :func:`nmt_prune.evaluation.quality.scores.score`.
        """
        return score(hypotheses, self.references(), self.target, self.tokenize)

    def references(self) -> list[str]:
        """The reference sentences.

        Raises:
            PruneError: the reference is empty or not UTF-8.
        """
        lines = read_lines(self.reference)
        if not lines:
            raise PruneError(f"reference {self.reference} is empty")
        return lines
