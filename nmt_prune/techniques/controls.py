"""Controls: each asks a question about other techniques and is not meant to be good."""

from nmt_prune.techniques.families import REWOUND, at_initialisation, control
from nmt_prune.techniques.mask_sources import DenseRun, FreshWeights, RungBelow, WhileTraining
from nmt_prune.techniques.technique import Technique

CONTROLS: dict[str, Technique] = {
    "random": control("random mask", "SLT with random masks (Gale 2019)", **REWOUND, flags={"saliency": "random"}),
    "random-init": at_initialisation(
        "random mask at initialisation", "a random mask at initialisation", "random", is_control=True
    ),
    "shuffled": control(
        "shuffled mask",
        "SLT with masks shuffled within each matrix (Frankle 2020)",
        **REWOUND,
        counts_of="slt",
        flags={"mask_control": "shuffled"},
    ),
    "inverted": control(
        "inverted mask",
        "SLT that keeps the worst weights (Prasanna 2020)",
        **REWOUND,
        counts_of="slt",
        flags={"mask_control": "inverted"},
    ),
    "reinit": control(
        "survivors re-initialised",
        "SLT's masks, fresh weights (Frankle & Carbin 2019)",
        mask=RungBelow("slt"),
        reset="reinit",
    ),
    "shuffle-weights": control(
        "survivors shuffled", "SLT's masks, permuted survivors", mask=RungBelow("slt"), reset="shuffle", rewind="early"
    ),
    "shuffle-layers": control(
        "layers shuffled",
        "SLT's masks, weights of other layers (Chen 2020)",
        mask=RungBelow("slt"),
        reset="shuffle-layers",
        rewind="early",
    ),
    "clt-random-sign": control(
        "CLT, random signs",
        "CLT's masks, random signs (Brix 2020)",
        mask=RungBelow("clt"),
        reset="random-sign",
        rewind="early",
    ),
    "mp-longer": control(
        "MP, dense trained on",
        "MP of the dense model that is trained on, with as many updates as the longest technique at its rung",
        mask=DenseRun(),
        schedule="cubic",
        length="ladder",
    ),
    "mp-scratch": control(
        "MP, longer",
        "MP in one training with as many updates as the longest technique at its rung",
        mask=WhileTraining(),
        schedule="cubic",
        length="ladder",
    ),
    "small-dense": control(
        "small dense",
        "a dense model with as many parameters as the rung leaves non-zero, trained as long as MP",
        mask=FreshWeights(),
        is_small=True,
    ),
    "small-dense-longer": control(
        "small dense, longer",
        "the same with as many updates as the longest technique at its rung",
        mask=FreshWeights(),
        length="ladder",
        is_small=True,
    ),
}
