"""What a cluster is asked for, training by training."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, PositiveInt, model_validator

from nmt_prune.experiments.recipe.sections import Section


class Resources(Section):
    """What a cluster gives to each training and each scoring, by Snakemake's names.

    The GPUs are those of ``training.distributed-world-size``; none with ``cpu``.

    Attributes:
        mem_mb: memory in MB.
        runtime: minutes at a stretch; a training that takes longer is queued again and goes on.
        cpus_per_task: cores.
        gres: SLURM's generic resource in place of whole GPUs, e.g. `shard:1` for a share of one.
        slurm_partition: partition.
        slurm_account: account.
        qos: SLURM's quality of service.
        constraint: features of the nodes.
        slurm_extra: further flags of `sbatch`.
        notice: seconds before the end of its time that SLURM has a training save; a validation must fit in.
    """

    mem_mb: PositiveInt | None = None
    runtime: PositiveInt | None = None
    cpus_per_task: PositiveInt | None = None
    gres: Annotated[str, Field(min_length=1)] | None = None
    slurm_partition: Annotated[str, Field(min_length=1)] | None = None
    slurm_account: Annotated[str, Field(min_length=1)] | None = None
    qos: Annotated[str, Field(min_length=1)] | None = None
    constraint: Annotated[str, Field(min_length=1)] | None = None
    slurm_extra: Annotated[str, Field(min_length=1)] | None = None
    notice: PositiveInt = 120

    @model_validator(mode="after")
    def _notice_within(self) -> "Resources":
        if self.runtime is not None and self.notice >= 60 * self.runtime:
            raise ValueError(f"notice: {self.notice} seconds are all of runtime {self.runtime} minutes; give it less")
        return self

    @model_validator(mode="after")
    def _one_signal(self) -> "Resources":
        if "--signal" in (self.slurm_extra or ""):
            raise ValueError("slurm_extra: --signal is given by notice; leave it out")
        return self

    def asked(self) -> dict[str, Any]:
        """What the recipe asks for, by Snakemake's names."""
        return self.model_dump(exclude={"notice"}, exclude_none=True)


def of_a_job(resources: Resources, gpus: int) -> Mapping[str, Any]:
    """The resources of a job on a cluster.

    Args:
        resources: those of the recipe.
        gpus: GPUs that it uses.
    """
    asked = resources.asked()
    if not gpus:
        asked.pop("gres", None)
    elif "gres" not in asked:
        asked["gpu"] = gpus
    signal = f"--signal=USR1@{resources.notice}"
    return {**asked, "slurm_extra": " ".join(filter(None, [asked.get("slurm_extra"), signal]))}
