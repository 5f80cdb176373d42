"""The test set of a trained model: as subwords for the programs that translate it, and as text for its score."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.evaluation.quality.text import read_lines
from nmt_prune.runtime.batching import BatchSize, batches
from nmt_prune.runtime.segmentation import Segmentation
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.runtime.vocabulary import Vocabulary
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.text.dictionaries import EOS
from tests.benchmarks.translation_systems import Sources, System


@dataclass(frozen=True)
class RealText:
    """A test set.

    Attributes:
        data: the data folder.
        subset: the test set in it.
        lines: source text.
        references: target text.
    """

    data: Path
    subset: Subset
    lines: Sequence[str]
    references: Sequence[str]

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "RealText":
        """That of the data folder that a model was trained with."""
        data = Path(checkpoint.state["cfg"]["task"]["data"])
        subset = Subset.find(data, "test")
        return cls(data, subset, read_lines(data / "raw" / f"test.{subset.source}"), subset.references())

    def sources(self, model: CompactModel) -> Sources:
        """The sentences as rows of the source dictionary."""
        segmentation, vocabulary = Segmentation(model), Vocabulary(model.source)
        return [[*vocabulary.rows(segmentation.split(line)), EOS] for line in self.lines]


def joined(model: CompactModel, found: Sequence[Sequence[int]]) -> list[str]:
    """The text of rows of the target dictionary."""
    segmentation, vocabulary = Segmentation(model), Vocabulary(model.target)
    return [segmentation.join(vocabulary.subwords(tokens)) for tokens in found]


def translate_all(system: System, sources: Sources, batch: int, options: SearchOptions) -> list[list[int]]:
    """Translates sentences of about the same length together, so many at a time."""
    found: list[list[int]] = [[] for _ in sources]
    for chosen in batches([*map(len, sources)], BatchSize(batch)):
        for index, tokens in zip(chosen, system([sources[index] for index in chosen], options), strict=True):
            found[index] = tokens
    return found
