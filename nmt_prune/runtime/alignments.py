"""Which source subword each target subword comes from, as ``fairseq-generate --print-alignment`` says."""

from collections.abc import Sequence

import numpy as np

from nmt_prune.errors import PruneError
from nmt_prune.runtime.settings.search_options import Alignment, Attention
from nmt_prune.storage.model.architecture import Architecture
from nmt_prune.text.dictionaries import EOS

KINDS = ("hard", "soft")


def check_kind_of_alignment(kind: str | None) -> None:
    """Refuses an alignment of another kind; None is none.

    Raises:
        PruneError: it is neither hard nor soft.
    """
    if kind not in (None, *KINDS):
        raise PruneError(f"--print-alignment {kind} is unknown; choose {' or '.join(KINDS)}")


def check_has_attention(architecture: Architecture) -> None:
    """Refuses a model without the attention that alignments are read from.

    Raises:
        PruneError: the cross-attention of the decoder's last layer has no heads.
    """
    if not any(architecture.decoder.cross_heads[-1:]):
        raise PruneError(
            "alignments come from the cross-attention of the decoder's last layer, of which all heads are pruned in"
            " this model; align with another model"
        )


def hard_alignment(attention: Attention, source: Sequence[int], target: Sequence[int]) -> Alignment:
    """Of each target token the source token that it takes most of, of equal ones the first.

    Args:
        attention: target × source tokens.
        source: rows of the source dictionary.
        target: rows of the target dictionary.

    Returns:
        Positions in the source and in the target, counted from 0, ends of sentence left out.
    """
    weights = attention[np.not_equal(target, EOS)][:, np.not_equal(source, EOS)]
    if not weights.shape[1]:
        return []
    return [(place, position) for position, place in enumerate(weights.argmax(axis=1).tolist())]
