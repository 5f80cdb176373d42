"""The search for subnetworks in a trained checkpoint: s-pruning and m-pruning of Prasanna et al. 2020."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_file import save_masks
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.groups.element import Element
from nmt_prune.pruning.groups.head import Head
from nmt_prune.pruning.groups.sublayer import Sublayer
from nmt_prune.pruning.groups.unit import Unit
from nmt_prune.pruning.saliency import Evidence, saliencies
from nmt_prune.subnetworks.components import Components
from nmt_prune.subnetworks.controls import bad_subnetwork, random_subnetwork
from nmt_prune.subnetworks.flags import SearchFlags
from nmt_prune.subnetworks.journal import Entry, Journal
from nmt_prune.subnetworks.phases import Phase, Threshold, magnitude_phases, search, structured_phases

ATTENTION, FFN = ("self_attn", "encoder_attn"), ("ffn",)


@dataclass(frozen=True)
class SearchSettings(SearchFlags):
    """A search, spelled out: its flags, and what they ask for."""

    def __post_init__(self) -> None:
        if self.method not in ("s", "m"):
            raise PruneError(f"unknown search {self.method!r}; known: s (heads and FFN), m (weights)")
        if self.score not in ("bleu", "loss"):
            raise PruneError(f"unknown dev score {self.score!r}; known: bleu, loss")
        unused = ("heads", "ffn") if self.method == "m" else ()
        for name in (*unused, *(("beam", "lenpen", "remove_bpe") if self.score == "loss" else ())):
            if getattr(self, name) != getattr(SearchSettings, name):
                reason = "--method m" if name in unused else "--score loss"
                raise PruneError(
                    f"--{name.replace('_', '-')} {getattr(self, name)} does nothing with {reason}: leave it out"
                )
        if not 0 < self.step < 1:
            raise PruneError(f"--step {self.step:g} is outside (0, 1); 0.1 prunes 10 % per step")

    def parts(self, head_dim: Mapping[str, int]) -> list[Components]:
        """The components that are pruned.

        Args:
            head_dim: width of an attention head by stack.

        Raises:
            PruneError: a group is unknown or of another kind.
        """
        if self.method == "m":
            return [Components("weights", Element(), (*ATTENTION, *FFN))]
        heads, ffn = groups.build(self.heads, head_dim=head_dim), groups.build(self.ffn)
        if not isinstance(heads, Head):
            raise PruneError(f"--heads {self.heads} is not the group head; give head or head:SETTING=VALUE")
        if not isinstance(ffn, Sublayer | Unit):
            raise PruneError(f"--ffn {self.ffn} is neither the group sublayer nor unit; give one of these")
        return [Components("heads", heads, ATTENTION), Components("FFN components", ffn, FFN)]

    def phases(self, parts: list[Components], start: MaskSet) -> list[Phase]:
        """The phases of the search from ``start``."""
        if self.method == "m":
            return magnitude_phases(parts[0], self.step)
        heads, ffn = parts
        return structured_phases(heads, ffn, start, self.step, isinstance(ffn.group, Sublayer))

    def check(self) -> None:
        """Refuses settings that no model could be searched with.

        Raises:
            PruneError: a setting is impossible, or an entry is unknown.
        """
        Threshold(1.0, *self.limits)
        saliencies.build(self.saliency_spec)
        self.parts({})

    def resolved(self) -> dict[str, Any]:
        """The settings as JSON values, with those filled in that depend on others."""
        keep, drop = self.limits
        return {**asdict(self), "keep": keep, "drop": drop, "saliency": self.saliency_spec}

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """Share and difference of the dev score; with neither given, a share of 0.9 (Prasanna)."""
        return (0.9 if self.keep is None and self.drop is None else self.keep), self.drop

    @property
    def saliency_spec(self) -> str:
        """The saliency, or the default for what is pruned."""
        if self.saliency is not None:
            return self.saliency
        if self.method == "m":
            return "magnitude"
        return "head-importance" + (":ffn=sublayer" if isinstance(groups.build(self.ffn), Sublayer) else "")


def find_subnetworks(
    trained: Checkpoint,
    evidence: Evidence,
    score: Callable[[nn.Module], float],
    settings: SearchSettings,
    out: Path,
    tell: Callable[[Entry], None] = lambda entry: None,
    data: str = "",
) -> Journal:
    """Searches, or goes on with a search, and writes the good, a random and the bad subnetwork.

    Nothing is trained: importance comes from training data, the score from the validation set, and nothing from the
    test set. (The original takes both from the set that it reports on.)

    Args:
        trained: the trained checkpoint.
        evidence: its model and training data.
        score: scores a model on the validation set.
        settings: what to prune and how far.
        out: folder of the journal and of ``good.safetensors``, ``random.safetensors`` and ``bad.safetensors``.
        tell: told of each step and subnetwork when it has been scored.
        data: name of the data folder, for the record.

    Raises:
        PruneError: settings and model do not fit, no step keeps the score, or no step lowers it.
    """
    found = _Search(trained, evidence, score, settings, tell)
    facts = {
        **settings.resolved(),
        "parent": trained.path.name,
        "parent_sha256": trained.digest,
        "parent_updates": trained.num_updates,
        "data": data,
    }
    journal = Journal.read(out, facts)
    dense = journal.start if journal else found.entry("start", trained.masks, found.measure(trained.masks), True)
    threshold = Threshold(dense.score, *settings.limits, settings.score == "loss")
    if journal is None:
        journal = Journal(out, facts, dense, threshold.limit, trained.masks)
        journal.write()
    return found.subnetworks(found.good(journal, threshold), threshold)


class _Search:
    """The model that is searched, and what its masks are worth.

    Args: see :func:`find_subnetworks`.
    """

    def __init__(
        self,
        trained: Checkpoint,
        evidence: Evidence,
        score: Callable[[nn.Module], float],
        settings: SearchSettings,
        tell: Callable[[Entry], None],
    ) -> None:
        self._trained, self._evidence, self._score = trained, evidence, score
        self._settings, self._tell = settings, tell
        self._parts = settings.parts(trained.head_dim)
        context = {"seed": settings.seed, "head_dim": trained.head_dim, "evidence": evidence, "grouped": True}
        self._saliency = saliencies.build(settings.saliency_spec, **context)

    def importance(self, masks: MaskSet) -> Mapping[str, Tensor]:
        """What each weight is worth under the masks."""
        return self._saliency.score(self._trained.matrices, masks)

    def measure(self, masks: MaskSet) -> float:
        """The dev score under the masks."""
        return self._score(self._evidence.probe(self._trained.matrices, masks).model)

    def entry(self, name: str, masks: MaskSet, value: float, passed: bool) -> Entry:
        """The record of masks, with the mini-batches since the last one."""
        left = {kind: count for components in self._parts for kind, count in components.by_kind(masks).items()}
        passes, self._evidence.passes.count = self._evidence.passes.count, 0
        return Entry(name, value, passed, masks.sparsity(), left, passes)

    def good(self, journal: Journal, threshold: Threshold) -> Journal:
        """Goes through the phases, from where the journal has come to."""
        phases = self._settings.phases(self._parts, self._trained.masks)
        done = [(step.phase, step.passed) for step in journal.steps]
        for step in search(phases, journal.masks, self.importance, self.measure, threshold.passes, done):
            journal = journal.with_step(self.entry(step.phase, step.masks, step.score, step.passed), step.masks)
            self._tell(journal.steps[-1])
        _check(journal, phases)
        return journal

    def subnetworks(self, journal: Journal, threshold: Threshold) -> Journal:
        """Writes the good, a random and the bad subnetwork, and scores those that have no score yet."""
        good, start, parts, seed = journal.masks, self._trained.masks, self._parts, self._settings.seed
        worth = self.importance(start) if self._settings.method == "m" else {}
        found = {
            "good": good,
            "random": random_subnetwork(good, start, parts, seed),
            "bad": bad_subnetwork(good, start, parts, worth, seed),
        }
        scored = {each.phase for each in journal.subnetworks}
        for name, masks in found.items():
            save_masks(masks, journal.folder / f"{name}.safetensors", {**journal.settings, "subnetwork": name})
            if name not in scored:
                value = self.measure(masks)
                journal = journal.with_subnetwork(self.entry(name, masks, value, threshold.passes(value)))
                self._tell(journal.subnetworks[-1])
        return journal


def _check(journal: Journal, phases: list[Phase]) -> None:
    """Refuses a search that found nothing, or that its threshold did not end."""
    if not any(step.passed for step in journal.steps):
        scores = ", ".join(f"{step.score:.4f} after {step.phase}" for step in journal.steps)
        raise PruneError(
            f"{journal.folder}: no step keeps a dev {journal.settings['score']} of {journal.limit:.4f} ({scores});"
            " give a smaller --step, a lower --keep or a higher --drop"
        )
    if all(step.passed for step in journal.steps) and phases[0].at_most is None:
        raise PruneError(
            f"{journal.folder}: the dev {journal.settings['score']} never fell below {journal.limit:.4f}, until nothing"
            " was left to prune; give a higher --keep or a lower --drop"
        )
