"""The table of techniques, in the order of Brix et al. 2020, Table 1, and of reports."""

from nmt_prune.techniques.controls import CONTROLS
from nmt_prune.techniques.families import (
    REWOUND,
    at_initialisation,
    greedy,
    growing,
    learned,
    quantized,
    settled_early,
    subnetwork,
)
from nmt_prune.techniques.mask_sources import FreshWeights, LastStartRound, RungBelow, WhileTraining
from nmt_prune.techniques.technique import Technique, Techniques

_BRIX_2020 = {
    "mp": growing("MP", "magnitude pruning during one training (Zhu & Gupta 2018)"),
    "lt": Technique(
        label="LT",
        summary="lottery ticket: rewound to θ_0 (Frankle & Carbin 2019)",
        reset="rewind",
        rewind="init",
    ),
    "slt": Technique(
        label="SLT", summary="stabilized lottery ticket: rewound to θ_t (Frankle 2019, Brix 2020)", **REWOUND
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
        **REWOUND,
        schedule="cubic",
        start="slt",
        rounds=(50, 60),
    ),
    "mp-slt": Technique(label="MP-SLT", summary="MP first, then SLT (Brix 2020)", **REWOUND, start="mp", rounds=(60,)),
}

_TRAINED_ON = {
    "gmp": settled_early(
        "GMP", "gradual magnitude pruning of the trained dense model (Zhu & Gupta 2018, Kurtic & Alistarh 2022)"
    ),
    "ladder-gmp": settled_early(
        "GMP by rungs",
        "gradual magnitude pruning from rung to rung, embeddings denser, sparse matrices with higher learning rates",
        RungBelow(),
        {"sparse_lr": 0.5},
        budget="matrix:embedding=2",
    ),
    "block-gmp": settled_early(
        "GMP in blocks",
        "GMP by rungs in blocks of 8 outputs by 4 inputs, which the CPU engine multiplies fastest (Narang 2017)",
        RungBelow(),
        {"sparse_lr": 0.5},
        budget="matrix:embedding=2",
        group="block:rows=8,columns=4",
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
    "snip": at_initialisation("SNIP", "connection sensitivity at initialisation (Lee 2019)", "snip"),
    "grasp": at_initialisation("GraSP", "gradient flow at initialisation (Wang 2020)", "grasp"),
    "grasp-preserve": at_initialisation(
        "GraSP, absolute",
        "gradient flow at initialisation neither lowered nor raised (Lubana & Dick 2021)",
        "grasp:preserve=true",
    ),
    "synflow": at_initialisation("SynFlow", "synaptic flow at initialisation, without data (Tanaka 2020)", "synflow"),
    "oes": at_initialisation("OES", "masks learned on the frozen fresh weights (Ghosh 2024)", "oes"),
    "rigl": Technique(
        label="RigL",
        summary="a random mask that moves to where the loss falls (RigL, Evci 2020)",
        mask=FreshWeights(),
        schedule="rigl",
        flags={"saliency": "random", "budget": "erk"},
    ),
}

_MOVING = {
    "granet": growing("GraNet", "MP whose survivors move to where the loss falls (GraNet, Liu 2021)", "granet"),
    "acdc": growing("AC/DC", "sparse and dense phases by turns in one training (Peste 2021)", "acdc", prune_end=0.85),
}

_LEARNED = {
    "ste": settled_early(
        "STE",
        "magnitude with a gradient for every weight, from the dense model (Zhou 2021, Lee 2023)",
        saliency="magnitude-ste",
    ),
    "ste-scratch": settled_early(
        "STE, from scratch",
        "magnitude with a gradient for every weight, in one training like MP",
        WhileTraining(),
        saliency="magnitude-ste",
    ),
    "movement": learned("movement", "what moves away from zero survives (Sanh 2020)", saliency="movement"),
    "soft-movement": learned(
        "soft movement",
        "movement pruning by one threshold for all matrices, and a penalty (Sanh 2020)",
        saliency="soft-movement",
    ),
    "hard-concrete": learned(
        "Hard-Concrete heads",
        "learned gates on attention heads (Voita 2019)",
        saliency="hard-concrete",
        group="head",
        budget="global:floor=0.5",
    ),
}

_CHANNELS_AND_BITS = {
    "greedy": greedy(
        "greedy channels", "channels, layer by layer while training goes on (Zhang 2022)", schedule="layerwise"
    ),
    "greedy-calibration": greedy(
        "greedy channels, calibration", "channels, layer by layer before training goes on (Zhang 2022)"
    ),
    "greedy-oneshot": greedy(
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
    "ternary": quantized("ternary", "fine-tuning with ternary weights (Yang, He & Fan 2020)", "ternary"),
    "int8": quantized("int8", "fine-tuning with 8-bit weights and activations (Zhang 2022)", "uniform"),
    "int4": quantized(
        "int4",
        "fine-tuning with 4-bit weights and activations (Zhang 2022)",
        "uniform:weight_bits=4,activation_bits=4",
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
        **CONTROLS,
        **subnetwork("what a search leaves of the dense model", "good"),
        **subnetwork("as much of each kind, drawn at random", "random"),
        **subnetwork("as much of each kind of what the search pruned", "bad"),
    }
)
"""All techniques, in the order of tables."""
