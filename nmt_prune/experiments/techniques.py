"""The techniques by name: a mask source, a reset and a schedule each (and at times a clock or another saliency)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

DENSE = "dense"
DENSE_LONGER = "dense-longer"


@dataclass(frozen=True)
class Technique:
    """How the run at one rung of the ladder follows from another run.

    Attributes:
        summary: one line, with the paper.
        mask: the run that the mask is found on. ``previous``: the technique's own rung below (first the dense run);
            ``dense``: the dense run at every rung; ``none``: fresh weights, the mask grows while they are trained;
            ``init``: fresh weights, pruned before the first update; ``start``: the last of the start rounds; the name
            of a technique: *its* rung below, so that the mask is the very one of that technique; ``search``: the search
            for subnetworks in the dense run, whose outcome alone decides the sparsity, so that there is one run per
            seed and none per rung.
        reset: what the survivors become; a spec of nmt_prune.resets.
        rewind: the rewind point that goes with it: ``early`` is θ_t, ``init`` is θ_0 of the dense run.
        schedule: ``constant``, ``cubic`` (Zhu & Gupta 2018) from the sparsity of the mask source on, ``oneshot``: that
            sparsity until a recipe's ``prune_end``, then the final one, ``layerwise`` or ``rigl``.
        prune_end: when the mask is final, as a share of the training, unless the recipe says when.
        clock: update number that training starts at.
        start: technique that makes the first rungs.
        rounds: sparsities of those rungs, in percent; a recipe may choose others.
        counts_of: technique whose counts per matrix a control has, rung by rung.
        flags: further flags of the task, in place of the recipe's.
        subnetwork: which of the search's subnetworks.
        is_trained: whether the survivors are trained again.
        is_control: whether it asks a question about another technique and is not meant to be good.
    """

    summary: str
    mask: str = "previous"
    reset: str = "keep"
    rewind: Literal["early", "init"] | None = None
    schedule: Literal["constant", "cubic", "oneshot", "layerwise", "rigl"] = "constant"
    prune_end: float | None = None
    clock: Literal["restart", "rewind", "keep"] = "restart"
    start: str | None = None
    rounds: tuple[float, ...] = ()
    counts_of: str | None = None
    flags: Mapping[str, str] = field(default_factory=dict)
    subnetwork: Literal["good", "random", "bad"] = "good"
    is_trained: bool = True
    is_control: bool = False

    @property
    def quantizes(self) -> bool:
        """Whether its weights have fewer bits; then there is something to do at 0 %, too."""
        return "quantizer" in self.flags

    @property
    def leaves_rewind_point(self) -> bool:
        """Whether another run may be rewound to this technique's θ_t."""
        return self.mask == "none" or (self.mask == "previous" and self.rewind == "early" and self.clock == "restart")


# Scores at initialisation are compared at the same density in every matrix: one ranking starves queries and keys, whose
# gradients are small while attention is nearly uniform. Embeddings stay dense: no paper has a score for them, and
# |g · w| empties the rows of rare words.
AT_INITIALISATION = {"budget": "matrix", "prune_set": "body"}


def _at_initialisation(summary: str, saliency: str, is_control: bool = False) -> Technique:
    flags = {"saliency": saliency, **AT_INITIALISATION}
    return Technique(summary, mask="init", flags=flags, is_control=is_control)


def _subnetwork(summary: str, name: Literal["good", "random", "bad"]) -> dict[str, Technique]:
    is_control = name != "good"
    return {
        f"subnetwork-{name}": Technique(
            f"{summary}, rewound and trained again (Prasanna 2020)",
            mask="search",
            reset="rewind",
            rewind="early",
            subnetwork=name,
            is_control=is_control,
        ),
        f"subnetwork-{name}-pruned": Technique(
            f"{summary}, without further training (Prasanna 2020)",
            mask="search",
            subnetwork=name,
            is_trained=False,
            is_control=is_control,
        ),
    }


def _quantized(summary: str, quantizer: str) -> Technique:
    return Technique(summary, clock="keep", flags={"quantizer": quantizer})


def _greedy(
    summary: str, budget: str = "layerwise", schedule: Literal["constant", "layerwise"] = "constant"
) -> Technique:
    flags = {"saliency": "activation", "group": "channel", "budget": budget}
    return Technique(summary, mask=DENSE, schedule=schedule, flags=flags)


TECHNIQUES: dict[str, Technique] = {
    "mp": Technique("magnitude pruning during one training (Zhu & Gupta 2018)", mask="none", schedule="cubic"),
    "lt": Technique("lottery ticket: rewound to θ_0 (Frankle & Carbin 2019)", reset="rewind", rewind="init"),
    "slt": Technique(
        "stabilized lottery ticket: rewound to θ_t (Frankle 2019, Brix 2020)", "previous", "rewind", "early"
    ),
    "clt": Technique("constant lottery ticket: signs of θ_t only (Brix 2020)", reset="sign", rewind="early"),
    # Brix 2020 leaves open what MP starts from: here SLT's last run, trained to its end; with MP's own, 4 T updates.
    "slt-mp": Technique(
        "SLT first, then MP from θ_t of its fully trained last run (Brix 2020)",
        "start",
        "rewind",
        "early",
        "cubic",
        start="slt",
        rounds=(50, 60),
    ),
    "mp-slt": Technique("MP first, then SLT (Brix 2020)", reset="rewind", rewind="early", start="mp", rounds=(60,)),
    "finetune": Technique("fine-tuning: θ_T trained on (Han 2015, Renda 2020)", clock="keep"),
    "lr-rewind": Technique("θ_T with a rewound learning rate (Renda 2020)", rewind="early", clock="rewind"),
    "wpc": Technique(
        "blocks emptied by weight penalty clipping, then ternary weights (Yang, He & Fan 2020)",
        clock="keep",
        schedule="oneshot",
        prune_end=0.5,  # as many updates with ternary weights as with the penalty
        flags={
            "group": "block:rows=1,columns=16",
            "prune_set": "body",
            "regulariser": "clipped-group-lasso:step=proximal",
            "quantizer": "ternary:after_pruning=true,beta=0.03",
        },
    ),
    "ternary": _quantized("fine-tuning with ternary weights (Yang, He & Fan 2020)", "ternary"),
    "int8": _quantized("fine-tuning with 8-bit weights and activations (Zhang 2022)", "uniform"),
    "int4": _quantized(
        "fine-tuning with 4-bit weights and activations (Zhang 2022)", "uniform:weight_bits=4,activation_bits=4"
    ),
    "snip": _at_initialisation("connection sensitivity at initialisation (Lee 2019)", "snip"),
    "grasp": _at_initialisation("gradient flow at initialisation (Wang 2020)", "grasp"),
    "grasp-preserve": _at_initialisation(
        "gradient flow at initialisation neither lowered nor raised (Lubana & Dick 2021)", "grasp:preserve=true"
    ),
    "synflow": _at_initialisation("synaptic flow at initialisation, without data (Tanaka 2020)", "synflow"),
    **_subnetwork("what a search leaves of the dense model", "good"),
    **_subnetwork("as much of each kind, drawn at random", "random"),
    **_subnetwork("as much of each kind of what the search pruned", "bad"),
    "movement": Technique(
        "what moves away from zero survives (Sanh 2020)", DENSE, schedule="cubic", flags={"saliency": "movement"}
    ),
    "soft-movement": Technique(
        "movement pruning by one threshold for all matrices, and a penalty (Sanh 2020)",
        DENSE,
        schedule="cubic",
        flags={"saliency": "movement:soft=true"},
    ),
    "hard-concrete": Technique(
        "learned gates on attention heads (Voita 2019)",
        DENSE,
        schedule="cubic",
        flags={"saliency": "hard-concrete", "group": "head", "budget": "global:floor=0.5"},
    ),
    "rigl": Technique(
        "a random mask that moves to where the loss falls (RigL, Evci 2020)",
        mask="init",
        schedule="rigl",
        flags={"saliency": "random", "budget": "erk"},
    ),
    "oes": _at_initialisation("masks learned on the frozen fresh weights (Ghosh 2024)", "oes"),
    "greedy": _greedy("channels, layer by layer while training goes on (Zhang 2022)", schedule="layerwise"),
    "greedy-calibration": _greedy("channels, layer by layer before training goes on (Zhang 2022)"),
    "greedy-oneshot": _greedy("channels, all layers by the dense statistics (Zhang 2022)", "layerwise:remeasure=false"),
    "random-init": _at_initialisation("a random mask at initialisation", "random", is_control=True),
    "random": Technique(
        "SLT with random masks (Gale 2019)",
        reset="rewind",
        rewind="early",
        flags={"saliency": "random"},
        is_control=True,
    ),
    "shuffled": Technique(
        "SLT with masks shuffled within each matrix (Frankle 2020)",
        reset="rewind",
        rewind="early",
        counts_of="slt",
        flags={"mask_control": "shuffled"},
        is_control=True,
    ),
    "inverted": Technique(
        "SLT that keeps the worst weights (Prasanna 2020)",
        reset="rewind",
        rewind="early",
        counts_of="slt",
        flags={"mask_control": "inverted"},
        is_control=True,
    ),
    "reinit": Technique("SLT's masks, fresh weights (Frankle & Carbin 2019)", "slt", "reinit", is_control=True),
    "shuffle-weights": Technique("SLT's masks, permuted survivors", "slt", "shuffle", "early", is_control=True),
    "shuffle-layers": Technique(
        "SLT's masks, weights of other layers (Chen 2020)", "slt", "shuffle-layers", "early", is_control=True
    ),
    "clt-random-sign": Technique(
        "CLT's masks, random signs (Brix 2020)", "clt", "random-sign", "early", is_control=True
    ),
}

CONTROLS = {DENSE_LONGER: "the dense model trained on for as long as the longest chain of trainings"} | {
    name: technique.summary for name, technique in TECHNIQUES.items() if technique.is_control
}
