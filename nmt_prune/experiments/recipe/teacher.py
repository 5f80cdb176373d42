"""The section of a recipe that says what runs learn from a teacher."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from nmt_prune.experiments.recipe.sections import Section


class Sequence(Section):
    """How the teacher translates the training sources: options of ``nmt-prune distill``.

    Attributes:
        beam: beam size.
        best_of: of so many hypotheses, take the one with most sentence BLEU against the reference.
        keep_originals: keep the original pairs beside.
        values: type to which the teacher's weights are converted.
    """

    beam: PositiveInt = 5
    best_of: PositiveInt = 1
    keep_originals: bool = False
    values: str = "float32"

    @field_validator("values")
    @classmethod
    def _known(cls, values: str) -> str:
        from nmt_prune.storage.model.precision import check_values  # imports NumPy, which status does without

        check_values(values)
        return values

    @model_validator(mode="after")
    def _possible(self) -> "Sequence":
        if self.best_of > self.beam:
            raise ValueError(f"best_of {self.best_of} is more than beam {self.beam}; widen the beam")
        return self


class Teacher(Section):
    """What a run learns from the dense run of its seed, beside the training data.

    Attributes:
        word: weight of its words (``--teacher-word``).
        temperature: of both distributions of words.
        hidden: weight of its hidden states.
        sequence: train on its translations of the training sources (Kim & Rush 2016): true, or options of ``nmt-prune
            distill``. Scores are on the same held-out sets.
        checkpoint: which of the dense run's checkpoints teaches; by default the one that the dense model is scored
            with, so that no student has a teacher other than the model that it is compared with.
        only: techniques and controls that are taught; empty is all.
    """

    word: Annotated[float, Field(ge=0, le=1)] = 0.5
    temperature: Annotated[float, Field(gt=0)] = 2.0
    hidden: Annotated[float, Field(ge=0)] = 0.0
    sequence: Sequence | None = None
    checkpoint: Literal["last", "best"] = "best"
    only: list[str] = Field(default_factory=list)

    @field_validator("sequence", mode="before")
    @classmethod
    def _switched(cls, value: Any) -> Any:
        return {True: {}, False: None}.get(value, value) if isinstance(value, bool) else value

    @model_validator(mode="after")
    def _teaches(self) -> "Teacher":
        if not (self.in_the_loss or self.sequence):
            raise ValueError("with word 0 and hidden 0 it teaches nothing; give a weight or sequence, or remove it")
        return self

    @property
    def in_the_loss(self) -> bool:
        """Whether it teaches in each update, and not by its translations alone."""
        return bool(self.word or self.hidden)

    def settings(self, dense: str) -> dict[str, Any]:
        """The settings of a run that is taught, the teacher as RUN/FILE."""
        weights = self.model_dump(include={"word", "temperature", "hidden"})
        return {"checkpoint": self.file(dense), **weights}

    def file(self, dense: str) -> str:
        """The teacher, as RUN/FILE."""
        return f"{dense}/checkpoint_{self.checkpoint}.pt"
