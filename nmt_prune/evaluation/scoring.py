"""Scoring a checkpoint: translate, score, measure its sparsity and its costs, write it all down."""

import time
from dataclasses import asdict
from pathlib import Path

from nmt_prune.checkpoints import Checkpoint, existing, parameter_count
from nmt_prune.evaluation.costs.measurement import measure_costs
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.evaluation.quality.text import digest, write_lines
from nmt_prune.evaluation.quality.translation import Decoding, Translation, translate
from nmt_prune.evaluation.records.run import ScoreRecord, hypotheses_file
from nmt_prune.masks.statistics import totals
from nmt_prune.pruning.departure import Departure
from nmt_prune.text.bleu import bleu_metric


def score_checkpoint(
    checkpoint: Path, subset: Subset, decoding: Decoding, out: Path, valid: Subset | None = None
) -> ScoreRecord:
    """Scores a checkpoint; writes ``out`` and beside it the hypotheses.

    Args:
        checkpoint: a checkpoint of a fairseq translation model.
        subset: what to score it on.
        decoding: how to translate.
        out: the scores file.
        valid: validation set to translate for the dev BLEU; None takes what the training noted in the checkpoint.

    Raises:
        PruneError: the checkpoint cannot be read or translated with; nothing is overwritten.
    """
    bleu_metric(subset.tokenizer)  # refused before anything is translated
    loaded = Checkpoint.load(checkpoint)
    departure = Departure.of_checkpoint(loaded)
    start = time.perf_counter()
    translation = translate(loaded, subset, decoding)
    seconds = time.perf_counter() - start
    scores = subset.score(translation.lines)
    dev = Translation([])
    if valid is None:
        dev_bleu = training_bleu(loaded)
    else:
        dev = translate(loaded, valid, decoding)
        dev_bleu = valid.score(dev.lines).bleu
        write_lines(out.with_name(hypotheses_file(valid.name)), dev.lines)
    record = ScoreRecord(
        subset=subset.name,
        **asdict(scores),
        dev_bleu=dev_bleu,
        dev_bleu_from=None if dev_bleu is None else "training" if valid is None else "translation",
        sparsity=totals(existing(loaded), parameter_count(loaded)),
        seconds=round(seconds, 2),
        checkpoint=checkpoint.name,
        data=subset.data.resolve().name,
        reference=str(subset.reference),
        reference_sha256=digest(subset.reference),
        sentences=len(translation.lines),
        beam=decoding.beam,
        lenpen=decoding.lenpen,
        generate_flags=decoding.extra,
        left_out=translation.left_out,
        dev_left_out=dev.left_out,
        updates=trained_updates(loaded),
        cut=departure.cut if departure else None,
        costs=measure_costs(loaded, subset, decoding, translation.left_out),
    )
    write_lines(out.with_name(hypotheses_file(subset.name)), translation.lines)
    record.write(out)
    return record


def trained_updates(checkpoint: Checkpoint) -> int | None:
    """Updates of the training that a checkpoint is the result of, whatever was planned.

    The last checkpoint beside it says how far the training went, and what the task noted at the start where it began.

    Returns:
        None if that training was not one of the task's.
    """
    last = checkpoint.path.with_name("checkpoint_last.pt")
    trained = Checkpoint.load(last) if last.exists() and last != checkpoint.path else checkpoint
    departure = Departure.of_checkpoint(trained)
    return None if departure is None else trained.num_updates - departure.first_update


def training_bleu(checkpoint: Checkpoint) -> float | None:
    """BLEU that fairseq measured on the validation set for exactly this checkpoint.

    Not fairseq's ``best``, which is the best so far and belongs to another checkpoint.

    Returns:
        None if the training did not validate then, or chose its checkpoints by something else than BLEU.
    """
    settings = (checkpoint.state.get("cfg") or {}).get("checkpoint") or {}
    value = (checkpoint.state.get("extra_state") or {}).get("val_loss")
    return float(value) if settings.get("best_checkpoint_metric") == "bleu" and value is not None else None
