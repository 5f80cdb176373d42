"""What a plan costs, counted on paper."""

from dataclasses import dataclass
from typing import Any

from nmt_prune.errors import PruneError
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.experiments.planning.runs import path_lengths
from nmt_prune.experiments.recipe.sections import gpus_wanted


@dataclass(frozen=True)
class PlanCost:
    """Updates, tokens and hours of all trainings of a plan.

    Attributes:
        trainings: number of trainings.
        updates: their updates.
        left: updates of those that are not finished.
        chain: updates of the longest chain of trainings, which no number of machines shortens.
        chain_left: what is not finished of the longest chain that is left.
        gpus: GPUs of one training; 0 on a CPU.
        per_gpu: trainings that share a GPU.
        batch: ``max_tokens``, ``update_freq`` and the number of workers, whose product is the most target tokens that
            an update can have; None where the recipe leaves one of them open.
    """

    trainings: int
    updates: int
    left: int
    chain: int
    chain_left: int
    gpus: int
    per_gpu: int
    batch: tuple[int, int, int] | None

    @classmethod
    def of(cls, plan: Plan) -> "PlanCost":
        """Counts."""
        training = next((run for run in plan.runs if run.step == "train"), plan.runs[0]).settings["training"]
        updates = {run.name: run.updates if run.step == "train" else 0 for run in plan.runs}
        left = {name: 0 if plan.folder(plan.run(name)).trained.exists() else own for name, own in updates.items()}
        return cls(
            trainings=sum(run.step == "train" for run in plan.runs),
            updates=sum(updates.values()),
            left=sum(left.values()),
            chain=max(path_lengths(plan.runs, updates).values()),
            chain_left=max(path_lengths(plan.runs, left).values()),
            gpus=gpus_wanted(training),
            per_gpu=plan.trainings_per_gpu,
            batch=_batch(training),
        )

    def lines(self, tokens_per_second: float | None = None) -> list[str]:
        """The count in words.

        Args:
            tokens_per_second: target tokens that one training gets through in a second, on all its GPUs together: the
                ``wps`` of fairseq's log.

        Raises:
            PruneError: hours are asked for, and the recipe does not say how many tokens an update has.
        """
        runs = f"{self.trainings:,} trainings, {self.updates:,} updates, {self.left:,} of them to do"
        lines = [f"{runs}; {self.chain:,} in the longest chain"]
        if self.batch is None:
            if tokens_per_second is not None:
                raise PruneError(
                    "--tokens-per-second: the recipe has no training.max-tokens to count tokens by; add it"
                )
            return lines
        max_tokens, update_freq, workers = self.batch
        tokens = max_tokens * update_freq * workers
        factors = f"max-tokens {max_tokens:,} × update-freq {update_freq} × distributed-world-size {workers}"
        lines.append(f"at most {tokens:,} target tokens per update ({factors}), {tokens * self.updates:,} in all")
        if tokens_per_second is not None:
            hours, left, chain, chain_left = (
                updates * tokens / tokens_per_second / 3600
                for updates in (self.updates, self.left, self.chain, self.chain_left)
            )
            speed = f"at {tokens_per_second:,.0f} target tokens per second and training"
            if self.per_gpu > 1:
                together = max(left / self.per_gpu, chain_left)
                lines.append(
                    f"{speed}, {self.per_gpu} of them on one GPU: {60 * together:,.0f} minutes to do"
                    f" ({60 * chain:,.0f} in the longest chain); starting, validation and scores come on top"
                )
                return lines
            gpu_hours = f" = {hours * self.gpus:,.0f} GPU hours" if self.gpus else ""
            lines.append(
                f"{speed}: {hours:,.0f} hours{gpu_hours}, {left:,.0f} hours to do; {chain:,.0f} in the longest chain"
            )
        return lines


def _batch(training: dict[str, Any]) -> tuple[int, int, int] | None:
    """The factors; None without ``max_tokens`` or where ``update_freq`` changes from epoch to epoch."""
    try:
        update_freq = int(training.get("update_freq") or 1)
        return int(training["max_tokens"]), update_freq, int(training.get("distributed_world_size") or 1)
    except (KeyError, TypeError, ValueError):
        return None
