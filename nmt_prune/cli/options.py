"""Options that several commands share, with the names of the task's flags."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nmt_prune.pruning.saliency import Evidence
    from nmt_prune.pruning.settings import PruningSettings
    from nmt_prune.storage.model.splitting import Splitting

Sparsity = Annotated[float, typer.Option(help="share of the weights (or groups) to remove, in [0, 1)")]
Saliency = Annotated[str, typer.Option(help="what a weight is worth; see `nmt-prune list`")]
Data = Annotated[
    Path | None, typer.Option(help="binarized corpus whose training subset saliencies such as taylor are measured on")
]
CalibrationBatches = Annotated[int, typer.Option(help="mini-batches of it to measure on")]
Budget = Annotated[str, typer.Option(help="how many weights survive where; see `nmt-prune list`")]
Group = Annotated[str, typer.Option(help="what is pruned together; see `nmt-prune list`")]
PruneSet = Annotated[str, typer.Option(help="all, or body: no embedding and no output projection")]
MaskControl = Annotated[str, typer.Option(help="none, or a control with the same counts: shuffled, inverted")]
CountsFrom = Annotated[
    Path | None, typer.Option(help="checkpoint or mask file with the counts per matrix that the control has")
]
Seed = Annotated[int, typer.Option(help="seed of random masks, controls, resets and calibration batches")]
Extension = Annotated[
    list[Path] | None,
    typer.Option(help="Python file that registers entries of your own, e.g. a saliency; repeatable"),
]
Tokenize = Annotated[
    str | None, typer.Option(help="sacreBLEU's tokenizer for BLEU", show_default="that of the target language")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table")]

Bpe = Annotated[
    str | None,
    typer.Option(help="sentencepiece, subword_nmt, fastbpe, gpt2 or none", show_default="as the model was trained"),
]
BpeCodes = Annotated[
    Path | None, typer.Option(help="codes of subword_nmt or fastbpe; of gpt2 vocab.bpe, encoder.json beside it")
]
SentencepieceModel = Annotated[Path | None, typer.Option(help="SentencePiece model")]
Tokenizer = Annotated[str | None, typer.Option(help="moses, space or none", show_default="as the model was trained")]


def splitting(
    bpe: str | None, bpe_codes: Path | None, sentencepiece_model: Path | None, tokenizer: str | None
) -> "Splitting":
    """What the options say about the splitting of text."""
    from nmt_prune.storage.model.splitting import Splitting

    return Splitting(bpe, bpe_codes, sentencepiece_model, tokenizer)


@contextmanager
def warnings_to(warn: Callable[[str], None]) -> Iterator[None]:
    """Says each ``RuntimeWarning`` as the command says its own, once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        yield
    for message in dict.fromkeys(str(warning.message) for warning in caught):
        warn(message)


@contextmanager
def quiet_fairseq() -> Iterator[None]:
    """Without the lines that fairseq logs whenever it reads data, between those of a command."""
    logger = logging.getLogger("fairseq")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def warn(message: str) -> None:
    """Warns on stderr."""
    typer.echo(f"nmt-prune: warning: {message}", err=True)


def refuse_unused(settings: "PruningSettings", data: Path | None) -> None:
    """Refuses settings that do nothing, data that nothing is measured on among them.

    Raises:
        PruneError: there is one; the message names its flag.
    """
    from nmt_prune.errors import PruneError
    from nmt_prune.pruning.inert import refuse_inert_settings

    refuse_inert_settings(settings)
    if data is not None and not settings.is_measured:
        raise PruneError(
            f"--data {data} does nothing here: --saliency {settings.saliency} is not measured on data; leave it out, or"
            " give another saliency"
        )


def evidence(checkpoint: Path, data: Path | None, calibration_batches: int, seed: int) -> "Evidence | None":
    """What saliencies are measured on; None without ``data``."""
    if data is None:
        return None
    from nmt_prune.measuring.checkpoints import checkpoint_evidence

    with warnings_to(warn):
        return checkpoint_evidence(checkpoint, data, calibration_batches, seed)
