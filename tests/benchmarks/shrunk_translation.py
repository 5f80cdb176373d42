"""Translation by models whose heads and feed-forward units are really gone, against the dense one, on a CPU.

Weights are random, so every translation is made to have the same length: what is timed is fairseq's generator on models
of these shapes, not what a trained model would say. Each sublayer loses the same share. The models stand in one process
and take turns; a second dense one says how much two equal models differ.
"""

import statistics
import time
from typing import Any

from fairseq.models import BaseFairseqModel
from fairseq.sequence_generator import SequenceGenerator

from nmt_prune.checkpoints.widths import WIDTHS, flag, format_widths
from tests.benchmarks.reporting import report
from tests.benchmarks.trainers import build_trainer, random_batch

LAYERS, HEADS, UNITS, VOCABULARY, LENGTH, BEAM = 6, 8, 2048, 33_000, 20, 4
REMOVED = {"dense": 0.0, "25 % removed": 0.25, "50 % removed": 0.5, "75 % removed": 0.75, "dense again": 0.0}
ROUNDS = {1: 7, 8: 3}
"""Rounds by number of sentences in a batch."""


def run() -> None:
    """Measures all models."""
    models = {name: _model(share) for name, share in REMOVED.items()}
    seconds = {sentences: alternate(models, sentences, rounds) for sentences, rounds in ROUNDS.items()}
    report(
        "shrunk_translation",
        f"Translation by shrunk Transformers, base (512 wide, {LAYERS}+{LAYERS}, {VOCABULARY:,} subwords)",
        ["model", "heads", "units", "million parameters", *_columns()],
        [_row(name, models, seconds) for name in models],
        f"Seconds of CPU time of one thread per sentence of {LENGTH} subwords in and out, beam {BEAM}, 1 or 8 sentences"
        " in a batch, medians; ratio: to the dense model, median over rounds. Random weights, length of the output"
        " fixed. Embedding and output projection keep their size.",
    )


def _model(removed: float) -> BaseFairseqModel:
    heads, units = round(HEADS * (1 - removed)), round(UNITS * (1 - removed))
    flags = []
    for setting, (_, block, _) in WIDTHS.items():
        flags += [flag(setting), format_widths([units if block == "ffn" else heads] * LAYERS)]
    trainer = build_trainer(VOCABULARY, "--task", "translation", "--arch", "shrunk_transformer", *flags)
    model = trainer.model.eval()
    model.prepare_for_inference_(trainer.cfg)
    return model


def alternate(models: dict[str, BaseFairseqModel], sentences: int, rounds: int) -> dict[str, list[float]]:
    """Seconds per sentence of each model by round; who goes first changes, since the others find another cache."""
    sample, names = random_batch(VOCABULARY, sentences, LENGTH), list(models)
    generators = {name: _generator(model) for name, model in models.items()}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for place in range(len(names)):
            name = names[(number + place) % len(names)]
            start = time.process_time()
            generators[name].generate([models[name]], sample)
            seconds[name].append((time.process_time() - start) / sentences)
    return seconds


def _generator(model: BaseFairseqModel) -> SequenceGenerator:
    return SequenceGenerator(
        [model], model.decoder.dictionary, beam_size=BEAM, max_len_b=LENGTH - 1, min_len=LENGTH - 1
    )


def _columns() -> list[str]:
    return [f"{kind} ({sentences})" for sentences in ROUNDS for kind in ("s", "ratio")]


def _row(name: str, models: dict[str, BaseFairseqModel], seconds: dict[int, dict[str, list[float]]]) -> dict[str, Any]:
    layer = models[name].encoder.layers[0]
    times = []
    for by_model in seconds.values():
        ratios = [mine / dense for mine, dense in zip(by_model[name], by_model["dense"], strict=True)]
        times += [statistics.median(by_model[name]), statistics.median(ratios)]
    return {
        "model": name,
        "heads": layer.self_attn.num_heads,
        "units": layer.fc1.out_features,
        "million parameters": sum(parameter.numel() for parameter in models[name].parameters()) / 1e6,
        **dict(zip(_columns(), times, strict=True)),
        "rounds": {sentences: by_model[name] for sentences, by_model in seconds.items()},
    }
