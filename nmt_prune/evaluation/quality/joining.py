"""How hypotheses of fairseq-generate become text: joined here, as the dictionary says, unless fairseq is told how."""

import warnings
from collections.abc import Sequence

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.checkpoints.own_dictionaries import check_data
from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.runtime.joining import Joiner, joiner
from nmt_prune.storage.checkpoints.vocabularies import read_joining
from nmt_prune.storage.model.splitting import KINDS, Splitting
from nmt_prune.text.dictionaries import read_symbols
from nmt_prune.text.subwords import GPT2

_OF_SUBWORDS, _OF_WORDS = {"--bpe", "--remove-bpe", "--post-process"}, "--tokenizer"


def joining(
    trained: Checkpoint, subset: Subset, remove_bpe: str | None, flags: Sequence[str], splitting: Splitting
) -> tuple[str | None, Joiner | None]:
    """What fairseq-generate is to join, and how what it leaves is joined.

    fairseq joins no byte pieces, and no subwords of GPT-2's that are stored as text.

    Args:
        trained: the model.
        subset: what is translated.
        remove_bpe: subwords that the user wants joined, a value of fairseq's ``--remove-bpe``; None: the dictionary's.
        flags: further flags of fairseq-generate; where they are about subwords, fairseq joins.
        splitting: what the user says about the splitting of the model's text.

    Returns:
        The value of ``--remove-bpe``, None without the flag, and what makes text of the subwords that fairseq prints;
        None if fairseq does.

    Raises:
        PruneError: what is asked for contradicts the dictionary, the dictionary does not say, or it is another model's.
    """
    if remark := check_data(trained, subset.data):
        warnings.warn(remark, RuntimeWarning, stacklevel=2)
    names = {flag.split("=")[0] for flag in flags}
    if names & _OF_SUBWORDS:
        return remove_bpe, None
    path = subset.data / f"dict.{subset.target}.txt"
    text, kind = read_joining(trained, read_symbols(path), path, remove_bpe, splitting)
    if kind in KINDS and _OF_WORDS not in names:
        return None, joiner(text, kind)
    if kind == GPT2:
        raise PruneError(f"fairseq cannot join the subwords of {path}; leave out its {_OF_WORDS}")
    return kind, None
