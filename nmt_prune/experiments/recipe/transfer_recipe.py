"""Recipes of a transfer matrix: masks of every corpus on every other one (Chen et al. 2020)."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from nmt_prune.experiments.recipe.schema import Recipe
from nmt_prune.experiments.recipe.sections import Corpus, Percent
from nmt_prune.techniques import RungBelow, Technique, techniques

TICKET = "slt"
"""The technique that finds the masks."""

CONTROLS_OF_CHEN = ("random", "reinit", "shuffle-weights", "shuffle-layers")


_WeightsOf = Literal["target", "source"]
_TARGET: _WeightsOf = "target"


class TransferRecipe(Recipe):
    """An experiment over several corpora, e.g. language pairs or domains; its other keys are those of any recipe.

    Masks are found by ``slt`` on each corpus and compared at the last sparsity of the ladder. Chen 2020 has 70 % of the
    weights outside of the embeddings, θ_0 that all share and masks from 10 % rounds.

    Attributes:
        kind: says that it is one.
        corpus: what the corpora have in common.
        corpora: their differences, one mapping per corpus.
        ladder: sparsities in percent, above 0 and rising; masks of the last are put on other corpora.
        weights: what the masks of other corpora are put on: the ``target``'s own θ_t, or θ_T of the ``source``'s dense
            model, the parent whose embedding rows follow their subwords.
        embedding: rows of the mask of an embedding, where ``prune_set`` has embeddings: ``match`` by subword, or
            ``dense``.
        seeds: at least two, for the standard deviation of the dense model.
    """

    kind: Literal["transfer"]
    corpora: Annotated[list[Corpus], Field(min_length=2)]
    weights: Annotated[list[_WeightsOf], Field(min_length=1)] = Field(default_factory=lambda: [_TARGET])
    embedding: Literal["match", "dense"] = "match"
    ladder: Annotated[list[Percent], Field(min_length=1)] = Field(default_factory=lambda: [70.0])
    controls: list[str] = Field(default_factory=lambda: list(CONTROLS_OF_CHEN))
    seeds: Annotated[list[int], Field(min_length=2)] = Field(default_factory=lambda: [1, 2])
    rewind_source: Literal["last", "dense"] = "dense"
    prune_set: Literal["all", "body"] = "body"

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, values: Any) -> Any:
        corpora, common = values.get("corpora"), values.get("corpus")
        if isinstance(corpora, list) and isinstance(common, dict) and all(isinstance(own, dict) for own in corpora):
            values = {**values, "corpora": [{**common, **own} for own in corpora]}
        return values

    @field_validator("techniques", "published", "dense")
    @classmethod
    def _left_out(cls, value: Any) -> Any:
        if value:
            raise ValueError(f"is not for a transfer recipe, whose masks {TICKET} finds; remove it")
        return value

    @field_validator("controls")
    @classmethod
    def _of_the_ticket(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in techniques or not techniques[name].is_control or not _is_of_the_ticket(techniques[name]):
                raise ValueError(f"{name!r} is no control of {TICKET}'s masks")
        return names

    @model_validator(mode="after")
    def _different_corpora(self) -> "TransferRecipe":
        folders = [corpus.data_folder for corpus in self.corpora]
        for folder in folders:
            if folders.count(folder) > 1:
                raise ValueError(f"two corpora have the data folder {folder}; give one of them another by folder")
        return self

    def labels(self) -> dict[str, Corpus]:
        """The corpora by the names that the matrix has for them: their language pairs where these tell them apart."""
        pairs = [f"{corpus.source}-{corpus.target}" for corpus in self.corpora]
        folders = [corpus.data_folder.replace("/", ".") for corpus in self.corpora]
        return dict(zip(pairs if len(set(pairs)) == len(pairs) else folders, self.corpora, strict=True))

    def of(self, corpus: Corpus) -> Recipe:
        """The ordinary recipe of one corpus: its dense model, its own masks and its controls."""
        values = {name: getattr(self, name) for name in Recipe.model_fields}
        own = {"techniques": [TICKET], "corpus": corpus.model_copy(update={"folder": corpus.data_folder})}
        return Recipe.model_construct(**{**values, **own})

    def data_folders(self, data_dir: Path) -> dict[str, Path]:
        """Where the prepared corpora lie, by ``corpus.folder``."""
        return {corpus.data_folder: data_dir / corpus.data_folder for corpus in self.corpora}


def _is_of_the_ticket(control: Technique) -> bool:
    return control.mask in (RungBelow(), RungBelow(TICKET))
