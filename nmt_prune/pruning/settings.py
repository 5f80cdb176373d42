"""What the pruning settings ask for: a pruner, a schedule, a reset, and with files masks and tickets."""

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.checkpoints.moments import second_moments
from nmt_prune.checkpoints.own_dictionaries import KEY, own
from nmt_prune.checkpoints.weights import zeros
from nmt_prune.errors import PruneError
from nmt_prune.files import file_digest
from nmt_prune.masks.mask_file import SUFFIX, load_masks
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.budgets.threshold import Threshold
from nmt_prune.pruning.departure import Departure
from nmt_prune.pruning.flags import FILES, PruningFlags
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.groups.element import Element
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.resets import Reset, resets
from nmt_prune.pruning.saliency import Evidence, MeasuredSaliency, saliencies
from nmt_prune.pruning.saliency.learned import LearnedSaliency
from nmt_prune.pruning.schedules import Schedule, schedules
from nmt_prune.pruning.tickets import make_ticket


@dataclass(frozen=True)
class PruningSettings(PruningFlags):
    """One technique, spelled out: its flags, and what they ask for."""

    def decisions(self) -> dict[str, Any]:
        """Everything that decides how a training starts, by flag of the task, as JSON values.

        Of a file the name and, while it is there, the SHA-256: a training goes on without its parents.
        """
        decided = asdict(self)
        del decided["max_update"]
        decided["prune_seed"] = decided.pop("seed")
        for flag in FILES:
            if decided[flag] is not None:
                path = Path(decided[flag])
                decided[flag] = {"name": path.name, "sha256": file_digest(path) if path.is_file() else None}
        return decided

    @property
    def mask_is_file(self) -> bool:
        """Whether ``mask_from`` is a mask file and not a checkpoint."""
        return self.mask_from is not None and Path(self.mask_from).suffix == SUFFIX

    @property
    def takes_weights(self) -> bool:
        """Whether training starts with the weights of a checkpoint, and not with fresh ones."""
        return self.mask_from is not None and (not self.mask_is_file or self.rewind_from is not None)

    def pruner(self, head_dim: Mapping[str, int] | None = None, evidence: Evidence | None = None) -> Pruner:
        """The pruner of these settings.

        Args:
            head_dim: width of an attention head by stack, for groups and saliencies that need to know.
            evidence: the model and training data, for saliencies that are measured.
        """
        group = groups.build(self.group, head_dim=head_dim or {})
        is_grouped = not isinstance(group, Element)
        context = {"seed": self.seed, "head_dim": head_dim or {}, "evidence": evidence, "grouped": is_grouped}
        return Pruner(
            saliency=saliencies.build(self.saliency, **context),
            budget=budgets.build(self.budget, final=self.sparsity),
            group=group,
            prune_set=self.prune_set,
            mask_control=self.mask_control,
            seed=self.seed,
            evidence=evidence,
            counts=self._counts if self.counts_from else None,
        )

    @property
    def is_measured(self) -> bool:
        """Whether masks depend on training data."""
        is_measured = isinstance(saliencies.build(self.saliency), MeasuredSaliency)
        return is_measured or budgets.build(self.budget).is_measured

    def _counts(self) -> MaskSet:
        # Read when they are needed: what goes on has its mask, and the file may be gone.
        return PruningSettings(mask_from=self.counts_from).load_mask_source()[1]

    def departure(self, pruner: Pruner, alive: MaskSet) -> Departure:
        """What a schedule has to know of the masks that training starts from.

        Args:
            pruner: the pruner of these settings.
            alive: the masks before anything is pruned.

        Raises:
            PruneError: a control would be the mask that it is to be compared with.
        """
        inherited = pruner.pruned_share(alive)
        if self.mask_control != "none" and self.sparsity is not None and pruner.has_reached(alive, self.sparsity):
            raise PruneError(
                f"--mask-control {self.mask_control} draws among what there is, and --sparsity {self.sparsity:g} leaves"
                f" all that {self.mask_from or 'the model'} has: nothing would be drawn; give a denser one"
            )
        stages = pruner.stages(alive, inherited if self.sparsity is None else self.sparsity)
        return Departure(inherited, tuple(stages) if len(stages) > 1 else ())

    def build_schedule(self, departure: Departure) -> Schedule:
        """The schedule of a training that departs from there."""
        inherited = departure.inherited
        context = {"inherited": inherited, "stages": departure.stages, "max_update": self.max_update}
        return schedules.build(self.schedule, final=inherited if self.sparsity is None else self.sparsity, **context)

    def first_sparsity(self, schedule: Schedule, inherited: float) -> float:
        """The sparsity of the masks that training starts with; what is learned holds nothing before it is settled."""
        is_learning = isinstance(saliencies.build(self.saliency), LearnedSaliency) and schedule.settled_at > 0
        return inherited if is_learning else schedule.sparsity(0)

    def first_masks(
        self, pruner: Pruner, weights: Mapping[Prunable, Tensor], alive: MaskSet, departure: Departure
    ) -> tuple[MaskSet, dict[str, float]]:
        """The masks that training starts with, and what was found out about them.

        Args:
            pruner: the pruner of these settings.
            weights: the matrices.
            alive: the masks before anything is pruned.
            departure: what follows from these.
        """
        schedule = self.build_schedule(departure)
        if pruner.budget.prunes_at_once and schedule.settled_at > 0:
            return alive, {}  # at the update that the schedule names
        return pruner.find(weights, alive, self.first_sparsity(schedule, departure.inherited))

    def build_reset(self) -> Reset:
        """The reset of these settings."""
        return resets.build(self.reset, seed=self.seed)

    def load_mask_source(self) -> tuple[Checkpoint | None, MaskSet]:
        """Reads ``mask_from``.

        Returns:
            The trained checkpoint and its masks; for a mask file, the rewind checkpoint or None, and the file's masks.
        """
        assert self.mask_from is not None
        if not self.mask_is_file:
            trained = Checkpoint.load(self.mask_from)
            if not trained.has_masks and (share := zeros(trained)):
                warnings.warn(
                    f"{self.mask_from} has no masks, and {share:.1%} of its weights are zero: they count as weights and"
                    " may grow; to keep them out, give the masked checkpoint that it was made from",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return trained, trained.masks
        masks, _ = load_masks(self.mask_from)
        rewind_point = self._rewind_point()
        if rewind_point is not None:
            masks.check_matches(rewind_point.matrices, self.mask_from)
        return rewind_point, masks

    def _rewind_point(self) -> Checkpoint | None:
        return Checkpoint.load(self.rewind_from) if self.rewind_from else None

    def find_masks(
        self, trained: Checkpoint, alive: MaskSet, evidence: Evidence | None = None
    ) -> tuple[MaskSet, dict[str, Any]]:
        """The masks that training starts with.

        Args:
            trained: the checkpoint to prune.
            alive: its masks so far.
            evidence: a model of its architecture and training data, for saliencies that are measured.

        Returns:
            The masks and, as JSON values, what a schedule has to know of ``alive`` (see ``Departure.masks``) and what
            the saliency found out (see ``Pruner.find``).
        """
        if evidence is not None:
            evidence = evidence.holding(trained.model, str(trained.path))
        pruner = self.pruner(trained.head_dim, evidence).reading(cache(lambda: second_moments(trained)))
        departure = self.departure(pruner, alive)
        masks, findings = self.first_masks(pruner, trained.matrices, alive, departure)
        return masks, {**departure.masks(), **findings}

    def ticket(self, evidence: Evidence | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Computes the masks and the ticket.

        Args:
            evidence: a model of the architecture and training data, for saliencies that are measured.

        Returns:
            The state of a fairseq checkpoint and its provenance as JSON values.

        Raises:
            PruneError: something that the settings name is missing or does not fit.
        """
        trained, alive = self.load_mask_source()
        if trained is None:
            raise PruneError(f"{self.mask_from} is a mask without weights: give --rewind-from, a checkpoint with them")
        is_asked = self.sparsity is not None or isinstance(budgets.build(self.budget), Threshold)
        if not (is_asked or self.mask_is_file or trained.has_masks):
            raise PruneError(f"{self.mask_from} is dense, and there is no --sparsity: say what share of it is to go")
        masks, facts = self.find_masks(trained, alive, evidence)
        rewind_point = trained if self.mask_is_file else self._rewind_point()
        state = make_ticket(trained, masks, self.build_reset(), rewind_point, self.clock)
        return state, {**self.provenance(trained), **facts, "masks": masks.digest()}

    def provenance(self, trained: Checkpoint) -> dict[str, Any]:
        """Where masks come from, as JSON values; without folder names and times: equal inputs give equal bytes."""
        return {
            "parent": trained.path.name,
            "parent_sha256": trained.digest,
            "parent_updates": trained.num_updates,
            **({KEY: known} if (known := own(trained)) else {}),
            "saliency": self.saliency,
            "group": self.group,
            "budget": self.budget,
            "prune_set": self.prune_set,
            "mask_control": self.mask_control,
            **({"counts_from": Path(self.counts_from).name} if self.counts_from else {}),
            "sparsity": self.sparsity,
            "seed": self.seed,
            **({"calibration_batches": self.calibration_batches} if self.is_measured else {}),
        }
