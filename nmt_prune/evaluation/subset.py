"""A subset (valid, test, ...) of a data folder and its detokenized references."""

from dataclasses import dataclass
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.text import read_lines


@dataclass(frozen=True)
class Subset:
    """A binarized subset of a data folder, and the text that it is scored against.

    Attributes:
        data: the data folder, as fairseq-train takes it.
        name: ``valid``, ``test``, ...
        source: source language.
        target: target language.
        reference: detokenized reference; line i belongs to fairseq's sample i.
    """

    data: Path
    name: str
    source: str
    target: str
    reference: Path

    @classmethod
    def find(cls, data: Path | str, name: str, reference: Path | str | None = None) -> "Subset":
        """Looks a subset up by the names of fairseq's files.

        Args:
            data: the data folder.
            name: the subset.
            reference: detokenized reference; None is ``DATA/raw/SUBSET.TARGET``.

        Raises:
            PruneError: there is no such subset, several language pairs of it, or no reference.
        """
        data = Path(data)
        pairs = {path.name.split(".")[1] for path in data.glob(f"{name}.*-*.*.idx")}
        if not pairs:
            raise PruneError(f"{data} has no binarized subset {name!r}; make it with nmt-prune data")
        if len(pairs) > 1:
            raise PruneError(
                f"{data} holds {name!r} for {', '.join(sorted(pairs))}; keep one language pair in a folder"
            )
        source, target = pairs.pop().split("-")
        path = Path(reference) if reference is not None else data / "raw" / f"{name}.{target}"
        if not path.is_file():
            raise PruneError(f"reference {path} does not exist; give --reference with the detokenized text")
        return cls(data, name, source, target, path)

    def references(self) -> list[str]:
        """The reference sentences.

        Raises:
            PruneError: the reference is empty or not UTF-8.
        """
        lines = read_lines(self.reference)
        if not lines:
            raise PruneError(f"reference {self.reference} is empty")
        return lines
