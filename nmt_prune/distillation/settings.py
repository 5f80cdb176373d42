"""What decides the targets of a distilled corpus."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nmt_prune.errors import PruneError
from nmt_prune.runtime.settings.search_limits import check_options
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.storage.model.precision import check_values

Engine = Literal["auto", "compiled", "torch", "fairseq"]


@dataclass(frozen=True)
class Distillation:
    """A teacher and how it translates the training sources.

    Attributes:
        teacher: checkpoint of a translation model with the dictionaries of the data.
        data: data folder whose training subset is translated.
        beam: hypotheses kept.
        best_of: of so many hypotheses, the one with the highest sentence BLEU against the reference is the target
            (Kim & Rush 2016, section 3.3, sequence-level interpolation); 1 is the one that the teacher likes best.
        keep_originals: the original pairs stay beside the distilled ones.
        lenpen: length penalty; above 1 favours longer sentences.
        max_len_a: longest target: a times source length, plus b; one that is cut there is left out.
        max_len_b: see ``max_len_a``.
        engine: what runs the teacher: this toolkit's engines on a CPU, or fairseq on a GPU or for other architectures
            than Transformers.
        values: type to which the teacher's weights are converted, as ``nmt-prune pack`` calls it.

    Raises:
        PruneError: the settings contradict each other.
    """

    teacher: Path
    data: Path
    beam: int = 5
    best_of: int = 1
    keep_originals: bool = False
    lenpen: float = 1.0
    max_len_a: float = 2.0
    max_len_b: int = 10
    engine: Engine = "auto"
    values: str = "float32"

    def __post_init__(self) -> None:
        if self.best_of > self.beam:
            raise PruneError(f"--best-of {self.best_of} is more than --beam {self.beam}; widen the beam")
        check_values(self.values)
        if self.engine == "fairseq" and self.values != "float32":
            raise PruneError(
                f"--values {self.values} is for this toolkit's engines; leave it out with --engine fairseq"
            )
        check_options(self.search, {"nbest": "--best-of"})

    @property
    def search(self) -> SearchOptions:
        """What the teacher searches for."""
        return SearchOptions(
            beam=self.beam,
            nbest=self.best_of,
            lenpen=self.lenpen,
            max_len_a=self.max_len_a,
            max_len_b=self.max_len_b,
        )
