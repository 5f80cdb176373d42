"""The declaration of a search's settings, which recipes and the command line take from here.

Without torch, which takes seconds to import.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SearchFlags:
    """What a search prunes and how far.

    Attributes:
        method: ``s`` (heads and feed-forward components in three phases) or ``m`` (single weights of the body).
        heads: spec of the group of heads.
        ffn: spec of the group of feed-forward components: ``sublayer`` (Prasanna) or ``unit``.
        saliency: spec of the saliency; None: the gate importance of ``heads`` and ``ffn``, or |w|.
        step: share of all heads (and units) or, in m-pruning, of the remaining weights that a step prunes.
        keep: share of the dev score to keep; without ``drop`` 0.9 (Prasanna).
        drop: difference in the dev score that is allowed.
        score: ``bleu`` or ``loss``.
        beam: beam size of dev BLEU.
        lenpen: length penalty of dev BLEU.
        remove_bpe: subwords to join, as fairseq calls them; None: those of the dictionary.
        tokenize: sacreBLEU's tokenizer of dev BLEU; None is that of the target language.
        seed: seed of random subnetworks and calibration batches.
        calibration_batches: number of mini-batches of training data that importance is measured on.
    """

    method: Literal["s", "m"] = "s"
    heads: str = "head:normalise=true"
    ffn: str = "sublayer"
    saliency: str | None = None
    step: float = 0.1
    keep: float | None = None
    drop: float | None = None
    score: Literal["bleu", "loss"] = "bleu"
    beam: int = 1
    lenpen: float = 1.0
    remove_bpe: str | None = None
    tokenize: str | None = None
    seed: int = 1
    calibration_batches: int = 16
