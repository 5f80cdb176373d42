"""fairseq's memory of the best validation score, by which it chooses ``checkpoint_best.pt`` and loses its patience."""

import sys

from fairseq import checkpoint_utils


def forget_best() -> None:
    """Makes the next validation count as the first.

    fairseq keeps what it remembers as attributes of two functions.
    """
    # ``python -m fairseq_cli.train`` and torchrun run a copy of the module.
    programs = (sys.modules.get(name) for name in ("__main__", "fairseq_cli.train"))
    stops = (getattr(program, "should_stop_early", None) for program in programs)
    for function in (checkpoint_utils.save_checkpoint, *filter(None, stops)):
        vars(function).pop("best", None)
