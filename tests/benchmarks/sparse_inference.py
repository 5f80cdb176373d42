"""fairseq's generator with linear layers that skip zeros, against the same model without, on a CPU.

Weights are random and pruned at random, translations all of the same length, as in ``shrunk_translation``. The models
stand in one process and take turns; a second dense one says how much two equal models differ.
"""

import statistics
from importlib import import_module

import torch
from fairseq.models import BaseFairseqModel

from tests.benchmarks.reporting import report
from tests.benchmarks.shrunk_translation import BEAM, LENGTH, ROUNDS, VOCABULARY, alternate
from tests.benchmarks.trainers import build_trainer

MODELS = {
    "dense product": (0.1, True),
    "50 % skipped": (0.5, False),
    "80 % skipped": (0.2, False),
    "90 % skipped": (0.1, False),
    "dense product again": (0.1, True),
}
"""Density, and whether zeros are computed."""


def run() -> None:
    """Measures all models; without the compiled engine there is nothing to compare, and it fails."""
    import_module("nmt_prune.runtime._engine")
    models = {name: _model(*settings) for name, settings in MODELS.items()}
    seconds = {sentences: alternate(models, sentences, rounds) for sentences, rounds in ROUNDS.items()}
    rows = []
    for name in models:
        row = {"model": name}
        for sentences, by_model in seconds.items():
            speed = [dense / mine for mine, dense in zip(by_model[name], by_model["dense product"], strict=True)]
            row |= {f"s ({sentences})": statistics.median(by_model[name])}
            row |= {f"times as fast ({sentences})": statistics.median(speed)}
        rows.append({**row, "rounds": {sentences: by_model[name] for sentences, by_model in seconds.items()}})
    report(
        "sparse_inference",
        f"fairseq's generator, Transformer base, {VOCABULARY:,} subwords",
        [key for key in rows[0] if key != "rounds"],
        rows,
        f"Seconds of CPU time of one thread per sentence of {LENGTH} subwords in and out, beam {BEAM}, 1 or 8 sentences"
        " in a batch, medians; times as fast: as the dense product, median over rounds.",
    )


def _model(density: float, dense: bool) -> BaseFairseqModel:
    torch.manual_seed(0)
    trainer = build_trainer(VOCABULARY, "--task", "translation", "--arch", "masked_transformer")
    model = trainer.model.eval()
    with torch.no_grad():
        for parameter in {parameter for parameter in model.parameters() if parameter.dim() == 2}:
            parameter.mul_(torch.rand_like(parameter) < density)
    model.dense_inference = dense
    model.prepare_for_inference_(trainer.cfg)
    return model
