"""What the techniques of a family have in common."""

from collections.abc import Mapping
from typing import Any, Literal

from nmt_prune.techniques.mask_sources import DenseRun, FreshWeights, MaskSource, SearchInDense, WhileTraining
from nmt_prune.techniques.technique import Technique

REWOUND: dict[str, Any] = {"reset": "rewind", "rewind": "early"}

# Scores at initialisation are compared at the same density in every matrix: one ranking starves queries and keys, whose
# gradients are small while attention is nearly uniform. Embeddings stay dense: no paper has a score for them, and
# |g · w| empties the rows of rare words.
_AT_INITIALISATION = {"budget": "matrix", "prune_set": "body"}


def at_initialisation(label: str, summary: str, saliency: str, is_control: bool = False) -> Technique:
    """Scores of fresh weights."""
    flags = {"saliency": saliency, **_AT_INITIALISATION}
    return Technique(label=label, summary=summary, mask=FreshWeights(), flags=flags, is_control=is_control)


def growing(label: str, summary: str, schedule: str = "cubic", prune_end: float | None = None) -> Technique:
    """A mask that grows while fresh weights are trained."""
    return Technique(label=label, summary=summary, mask=WhileTraining(), schedule=schedule, prune_end=prune_end)


def quantized(label: str, summary: str, quantizer: str) -> Technique:
    """Fewer bits, trained on with the clock of the run before."""
    return Technique(label=label, summary=summary, clock="keep", flags={"quantizer": quantizer})


def greedy(label: str, summary: str, budget: str = "layerwise", schedule: str = "constant") -> Technique:
    """Channels by the activations of the dense run."""
    flags = {"saliency": "activation", "group": "channel", "budget": budget}
    return Technique(label=label, summary=summary, mask=DenseRun(), schedule=schedule, flags=flags)


def learned(label: str, summary: str, **flags: str) -> Technique:
    """A mask that is learned while the dense run is trained on."""
    return Technique(label=label, summary=summary, mask=DenseRun(), schedule="cubic", flags=flags)


def subnetwork(summary: str, name: Literal["good", "random", "bad"]) -> dict[str, Technique]:
    """What a search found, as it is and retrained."""
    common: dict[str, Any] = {"mask": SearchInDense(), "subnetwork": name, "is_control": name != "good"}
    return {
        f"subnetwork-{name}-pruned": Technique(
            label=f"{name}, pruned",
            summary=f"{summary}, without further training (Prasanna 2020)",
            is_trained=False,
            **common,
        ),
        f"subnetwork-{name}": Technique(
            label=f"{name}, retrained",
            summary=f"{summary}, rewound and trained again (Prasanna 2020)",
            **REWOUND,
            **common,
        ),
    }


def control(label: str, summary: str, **how: Any) -> Technique:
    """A question about another technique."""
    return Technique(label=label, summary=summary, is_control=True, **how)


def settled_early(
    label: str, summary: str, mask: MaskSource | None = None, training: Mapping[str, Any] | None = None, **flags: str
) -> Technique:
    """A mask that grows until three quarters of the training, so that the last one is for the survivors."""
    how: dict[str, Any] = {"mask": mask or DenseRun(), "training": training or {}, "flags": flags}
    return Technique(label=label, summary=summary, schedule="cubic", prune_end=0.75, **how)
