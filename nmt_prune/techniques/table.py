"""The table of techniques, in the order of Brix et al. 2020, Table 1, and of reports."""

from collections.abc import Mapping
from typing import Any, Literal

from nmt_prune.techniques.mask_sources import (
    DenseRun,
    FreshWeights,
    LastStartRound,
    MaskSource,
    RungBelow,
    SearchInDense,
    WhileTraining,
)
from nmt_prune.techniques.technique import Technique, Techniques

_REWOUND: dict[str, Any] = {"reset": "rewind", "rewind": "early"}

# Scores at initialisation are compared at the same density in every matrix: one ranking starves queries and keys, whose
# gradients are small while attention is nearly uniform. Embeddings stay dense: no paper has a score for them, and
# |g · w| empties the rows of rare words.
_AT_INITIALISATION = {"budget": "matrix", "prune_set": "body"}


def _at_initialisation(label: str, summary: str, saliency: str, is_control: bool = False) -> Technique:
    flags = {"saliency": saliency, **_AT_INITIALISATION}
    return Technique(label=label, summary=summary, mask=FreshWeights(), flags=flags, is_control=is_control)


def _growing(label: str, summary: str, schedule: str = "cubic", prune_end: float | None = None) -> Technique:
    return Technique(label=label, summary=summary, mask=WhileTraining(), schedule=schedule, prune_end=prune_end)


def _quantized(label: str, summary: str, quantizer: str) -> Technique:
    return Technique(label=label, summary=summary, clock="keep", flags={"quantizer": quantizer})


def _greedy(label: str, summary: str, budget: str = "layerwise", schedule: str = "constant") -> Technique:
    flags = {"saliency": "activation", "group": "channel", "budget": budget}
    return Technique(label=label, summary=summary, mask=DenseRun(), schedule=schedule, flags=flags)


def _learned(label: str, summary: str, **flags: str) -> Technique:
    return Technique(label=label, summary=summary, mask=DenseRun(), schedule="cubic", flags=flags)


def _subnetwork(summary: str, name: Literal["good", "random", "bad"]) -> dict[str, Technique]:
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
            **_REWOUND,
            **common,
        ),
    }


def _control(label: str, summary: str, **how: Any) -> Technique:
    return Technique(label=label, summary=summary, is_control=True, **how)


def _settled_early(
    label: str, summary: str, mask: MaskSource | None = None, training: Mapping[str, Any] | None = None, **flags: str
) -> Technique:
    """A mask that grows until three quarters of the training, so that the last one is for the survivors."""
    how: dict[str, Any] = {"mask": mask or DenseRun(), "training": training or {}, "flags": flags}
    return Technique(label=label, summary=summary, schedule="cubic", prune_end=0.75, **how)


_BRIX_2020 = {
    "mp": _growing("MP", "magnitude pruning during one training (Zhu & Gupta 2018)"),
    "lt": Technique(
        label="LT",
        summary="lottery ticket: rewound to θ_0 (Frankle & Carbin 2019)",
        reset="rewind",
        rewind="init",
    ),
    "slt": Technique(
        label="SLT", summary="stabilized lottery ticket: rewound to θ_t (Frankle 2019, Brix 2020)", **_REWOUND
    ),
    "clt": Technique(
        label="CLT",
        summary="constant lottery ticket: signs of θ_t only (Brix 2020)",
        reset="sign",
        rewind="early",
    ),
    # Brix 2020 leaves open what MP starts from: here SLT's last run, trained to its end; with MP's own, 4 T updates.
    "slt-mp": Technique(
        label="SLT-MP",
        summary="SLT first, then MP from θ_t of its fully trained last run (Brix 2020)",
        mask=LastStartRound(),
        **_REWOUND,
        schedule="cubic",
        start="slt",
        rounds=(50, 60),
    ),
    "mp-slt": Technique(label="MP-SLT", summary="MP first, then SLT (Brix 2020)", **_REWOUND, start="mp", rounds=(60,)),
}

_TRAINED_ON = {
    "gmp": _settled_early(
        "GMP", "gradual magnitude pruning of the trained dense model (Zhu & Gupta 2018, Kurtic & Alistarh 2022)"
    ),
    "ladder-gmp": _settled_early(
        "GMP by rungs",
        "gradual magnitude pruning from rung to rung, embeddings denser, sparse matrices with higher learning rates",
        RungBelow(),
        {"sparse_lr": 0.5},
        budget="matrix:embedding=2",
    ),
    "finetune": Technique(
        label="fine-tuning", summary="fine-tuning: θ_T trained on (Han 2015, Renda 2020)", clock="keep"
    ),
    "lr-rewind": Technique(
        label="LR rewinding",
        summary="θ_T with a rewound learning rate (Renda 2020)",
        rewind="early",
        clock="rewind",
    ),
}

_PRUNED_AT_INITIALISATION = {
    "snip": _at_initialisation("SNIP", "connection sensitivity at initialisation (Lee 2019)", "snip"),
    "grasp": _at_initialisation("GraSP", "gradient flow at initialisation (Wang 2020)", "grasp"),
    "grasp-preserve": _at_initialisation(
        "GraSP, absolute",
        "gradient flow at initialisation neither lowered nor raised (Lubana & Dick 2021)",
        "grasp:preserve=true",
    ),
    "synflow": _at_initialisation("SynFlow", "synaptic flow at initialisation, without data (Tanaka 2020)", "synflow"),
    "oes": _at_initialisation("OES", "masks learned on the frozen fresh weights (Ghosh 2024)", "oes"),
    "rigl": Technique(
        label="RigL",
        summary="a random mask that moves to where the loss falls (RigL, Evci 2020)",
        mask=FreshWeights(),
        schedule="rigl",
        flags={"saliency": "random", "budget": "erk"},
    ),
}

_MOVING = {
    "granet": _growing("GraNet", "MP whose survivors move to where the loss falls (GraNet, Liu 2021)", "granet"),
    "acdc": _growing("AC/DC", "sparse and dense phases by turns in one training (Peste 2021)", "acdc", prune_end=0.85),
}

_LEARNED = {
    "ste": _settled_early(
        "STE",
        "magnitude with a gradient for every weight, from the dense model (Zhou 2021, Lee 2023)",
        saliency="magnitude-ste",
    ),
    "ste-scratch": _settled_early(
        "STE, from scratch",
        "magnitude with a gradient for every weight, in one training like MP",
        WhileTraining(),
        saliency="magnitude-ste",
    ),
    "movement": _learned("movement", "what moves away from zero survives (Sanh 2020)", saliency="movement"),
    "soft-movement": _learned(
        "soft movement",
        "movement pruning by one threshold for all matrices, and a penalty (Sanh 2020)",
        saliency="soft-movement",
    ),
    "hard-concrete": _learned(
        "Hard-Concrete heads",
        "learned gates on attention heads (Voita 2019)",
        saliency="hard-concrete",
        group="head",
        budget="global:floor=0.5",
    ),
}

_CHANNELS_AND_BITS = {
    "greedy": _greedy(
        "greedy channels", "channels, layer by layer while training goes on (Zhang 2022)", schedule="layerwise"
    ),
    "greedy-calibration": _greedy(
        "greedy channels, calibration", "channels, layer by layer before training goes on (Zhang 2022)"
    ),
    "greedy-oneshot": _greedy(
        "one-shot channels",
        "channels, all layers by the dense statistics (Zhang 2022)",
        budget="layerwise:remeasure=false",
    ),
    "wpc": Technique(
        label="WPC, ternary",
        summary="blocks emptied by weight penalty clipping, then ternary weights (Yang, He & Fan 2020)",
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
    "ternary": _quantized("ternary", "fine-tuning with ternary weights (Yang, He & Fan 2020)", "ternary"),
    "int8": _quantized("int8", "fine-tuning with 8-bit weights and activations (Zhang 2022)", "uniform"),
    "int4": _quantized(
        "int4",
        "fine-tuning with 4-bit weights and activations (Zhang 2022)",
        "uniform:weight_bits=4,activation_bits=4",
    ),
}

_CONTROLS = {
    "random": _control("random mask", "SLT with random masks (Gale 2019)", **_REWOUND, flags={"saliency": "random"}),
    "random-init": _at_initialisation(
        "random mask at initialisation", "a random mask at initialisation", "random", is_control=True
    ),
    "shuffled": _control(
        "shuffled mask",
        "SLT with masks shuffled within each matrix (Frankle 2020)",
        **_REWOUND,
        counts_of="slt",
        flags={"mask_control": "shuffled"},
    ),
    "inverted": _control(
        "inverted mask",
        "SLT that keeps the worst weights (Prasanna 2020)",
        **_REWOUND,
        counts_of="slt",
        flags={"mask_control": "inverted"},
    ),
    "reinit": _control(
        "survivors re-initialised",
        "SLT's masks, fresh weights (Frankle & Carbin 2019)",
        mask=RungBelow("slt"),
        reset="reinit",
    ),
    "shuffle-weights": _control(
        "survivors shuffled", "SLT's masks, permuted survivors", mask=RungBelow("slt"), reset="shuffle", rewind="early"
    ),
    "shuffle-layers": _control(
        "layers shuffled",
        "SLT's masks, weights of other layers (Chen 2020)",
        mask=RungBelow("slt"),
        reset="shuffle-layers",
        rewind="early",
    ),
    "clt-random-sign": _control(
        "CLT, random signs",
        "CLT's masks, random signs (Brix 2020)",
        mask=RungBelow("clt"),
        reset="random-sign",
        rewind="early",
    ),
    "mp-longer": _control(
        "MP, dense trained on",
        "MP of the dense model that is trained on, with as many updates as the longest technique at its rung",
        mask=DenseRun(),
        schedule="cubic",
        length="ladder",
    ),
    "mp-scratch": _control(
        "MP, longer",
        "MP in one training with as many updates as the longest technique at its rung",
        mask=WhileTraining(),
        schedule="cubic",
        length="ladder",
    ),
    "small-dense": _control(
        "small dense",
        "a dense model with as many parameters as the rung leaves non-zero, trained as long as MP",
        mask=FreshWeights(),
        is_small=True,
    ),
    "small-dense-longer": _control(
        "small dense, longer",
        "the same with as many updates as the longest technique at its rung",
        mask=FreshWeights(),
        length="ladder",
        is_small=True,
    ),
}

techniques = Techniques(
    {
        **_BRIX_2020,
        **_TRAINED_ON,
        **_PRUNED_AT_INITIALISATION,
        **_MOVING,
        **_LEARNED,
        **_CHANNELS_AND_BITS,
        **_CONTROLS,
        **_subnetwork("what a search leaves of the dense model", "good"),
        **_subnetwork("as much of each kind, drawn at random", "random"),
        **_subnetwork("as much of each kind of what the search pruned", "bad"),
    }
)
"""All techniques, in the order of tables."""
