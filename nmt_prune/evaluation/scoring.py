"""Scoring a checkpoint: translate, score, measure its sparsity and its costs, write it all down."""

import time
from dataclasses import asdict, replace
from pathlib import Path

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.checkpoints.weights import existing, parameter_count
from nmt_prune.data_digests import data_digest, known_digests
from nmt_prune.evaluation.costs.measurement import measure_costs
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.evaluation.quality.text import digest, write_lines
from nmt_prune.evaluation.quality.translation import Decoding, Translation, translate
from nmt_prune.evaluation.records.run import Provenance, ScoreRecord, hypotheses_file
from nmt_prune.masks.statistics import totals
from nmt_prune.processes import processor_time
from nmt_prune.pruning.departure import Departure
from nmt_prune.text.bleu import bleu_metric
from nmt_prune.versions import git_state, versions


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
    source = versions(), git_state()  # as they are now: files may change while it translates
    start, cpu = time.perf_counter(), processor_time()
    translation = translate(loaded, subset, decoding)
    seconds, cpu = time.perf_counter() - start, processor_time() - cpu
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
    hypotheses = out.with_name(hypotheses_file(subset.name))
    write_lines(hypotheses, translation.lines)
    provenance = Provenance(
        checkpoint_sha256=loaded.digest,
        data_sha256=data_digest(known_digests(subset.data)),
        hypotheses_sha256=digest(hypotheses),
        versions=source[0],
        git=source[1],
        cpu_seconds=round(cpu, 2),
    )
    record = replace(record, provenance=provenance)
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
