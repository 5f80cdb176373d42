"""The sections of a recipe: corpus, model, training, generation, search."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    create_model,
    field_validator,
    model_validator,
)

from nmt_prune.pruning.flags import PruningFlags
from nmt_prune.subnetworks.flags import SearchFlags


def _in_percent(value: float) -> float:
    if 0 < value < 1:
        raise ValueError(f"{value:g} is below 1 percent: recipes give sparsities in percent; write {100 * value:g}")
    return value


def _share_or_update(value: float) -> float:
    if value > 1 and value != int(value):
        raise ValueError(f"{value:g} is neither a share below 1 nor the number of an update")
    return value


Percent = Annotated[float, Field(gt=0, lt=100), AfterValidator(_in_percent)]
Rung = Annotated[float, Field(ge=0, lt=100), AfterValidator(_in_percent)]
Moment = Annotated[float, Field(gt=0), AfterValidator(_share_or_update)]
Flag = Any  # true, false, a number, text, a list of them, or a mapping that the flag takes as JSON

# What the plan decides for each run; a recipe that gave one of these would contradict it.
PLANNED_FLAGS = {"user_dir", "task", "source_lang", "target_lang", "save_dir", "restore_file", "seed"}
PLANNED_FLAGS |= {setting.name for setting in fields(PruningFlags)} - {"max_update", "calibration_batches"}
PLANNED_FLAGS |= {"prune_seed", "rewind_points", "fp16", "memory_efficient_fp16", "bf16", "amp"}


class Section(BaseModel):
    """A mapping of the recipe."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class FlagSection(BaseModel):
    """A mapping of the recipe whose further keys are flags of fairseq-train, with ``-`` or ``_``."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False, frozen=True)
    __pydantic_extra__: dict[str, Flag] = Field(init=False)

    @model_validator(mode="before")
    @classmethod
    def _normalise(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        values = {str(key).lstrip("-").replace("-", "_"): value for key, value in values.items()}
        planned = sorted(PLANNED_FLAGS & values.keys())
        if planned:
            raise ValueError(f"{planned[0]} is set for each run by the plan; remove it")
        return values

    def flags(self) -> dict[str, Flag]:
        """The flags, by name with underscores."""
        return self.model_dump()


class Corpus(Section):
    """Settings of ``nmt-prune data``.

    Attributes:
        name: the corpus.
        source: source language.
        target: target language.
        folder: data folder below ``--data-dir``; by default NAME.SOURCE-TARGET.
    """

    name: str
    source: str = "en"
    target: str = "de"
    folder: str | None = None
    vocab_size: PositiveInt | None = None
    model_type: Literal["unigram", "bpe"] | None = None
    sample_size: int | None = None
    max_length: int | None = None
    max_ratio: float | None = None
    clean: bool | None = None
    identify_languages: bool = False
    valid_size: int | None = None
    test_size: int | None = None
    seed: int | None = None
    size: PositiveInt | None = None
    train: str | None = None
    valid: str | None = None
    test: str | None = None
    corpora: str | None = None
    archives: str | None = None

    @property
    def data_folder(self) -> str:
        """Name of the data folder."""
        return self.folder or f"{self.name}.{self.source}-{self.target}"


class Model(FlagSection):
    """Architecture and its flags.

    Attributes:
        arch: a masked architecture.
    """

    arch: str


class Dense(Section):
    """A dense model that exists already.

    Attributes:
        checkpoint: its checkpoint, stock or of this toolkit. Model and training flags that the recipe leaves out are
            those in it.
    """

    checkpoint: str


class Training(FlagSection):
    """Flags of the dense training; every other training has the same.

    Attributes:
        max_update: length of one training.
    """

    max_update: PositiveInt


class Generation(Section):
    """How the test set is translated.

    Attributes:
        beam: width of the beam.
        lenpen: exponent of the length in the score of a translation.
        max_tokens: most tokens of a batch.
        subset: which sentences.
        tokenize: sacreBLEU's tokenizer of BLEU, on the validation set too; None is that of the target language.
        reference: detokenized reference; None is that of the data folder.
        valid: translate the validation set the same way, for the dev BLEU; else that is what the training noted.
    """

    beam: PositiveInt = 5
    lenpen: float = 1.0
    max_tokens: PositiveInt = 4000
    subset: Literal["test", "valid"] = "test"
    tokenize: str | None = None
    reference: str | None = None
    valid: bool = False

    @field_validator("tokenize")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        from nmt_prune.text.bleu import bleu_metric

        if name is not None:
            bleu_metric(name)
        return name


# What the plan decides for each search is left out.
_SEARCH: dict[str, Any] = {
    flag.name: (PositiveInt if flag.type is int else flag.type, flag.default)
    for flag in fields(SearchFlags)
    if flag.name not in ("remove_bpe", "tokenize", "seed")
}
_SearchOptions: Any = create_model("_SearchOptions", __base__=Section, **_SEARCH)


class Search(_SearchOptions):
    """How subnetworks are searched for in the dense run: options of ``nmt-prune search``.

    Attributes:
        name: what tells it from the other searches of the recipe; its runs end in ``-NAME``.
        checkpoint: which of the dense run's checkpoints is searched; by default the one that the dense model is scored
            with.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")] | None = None
    checkpoint: Literal["last", "best"] = "best"

    @model_validator(mode="after")
    def _possible(self) -> "Search":
        from nmt_prune.subnetworks.search import SearchSettings

        if self.name == "pruned":
            raise ValueError("name pruned is what techniques end in that are not trained again; give another")
        SearchSettings(**self.options()).check()
        return self

    def options(self) -> dict[str, Any]:
        """The options of ``nmt-prune search``, those that are left to it left out."""
        return self.model_dump(exclude={"name", "checkpoint"}, exclude_none=True)

    def label(self, run: str) -> str:
        """The name of a run, or of a technique, with this search."""
        return f"{run}-{self.name}" if self.name else run


def gpus_wanted(training: Mapping[str, Any]) -> int:
    """GPUs that a training with these flags uses; 0 with ``cpu``."""
    return 0 if training.get("cpu") else int(training.get("distributed_world_size") or 1)
