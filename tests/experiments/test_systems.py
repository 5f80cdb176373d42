"""Every technique on numbers for real, in miniature: searched, trained, quantized, shrunk, scored and reported."""

import csv
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from nmt_prune.experiments.recipe.recipe_file import load_recipe
from nmt_prune.techniques import DENSE, LONGER, techniques
from nmt_prune.techniques.labels import is_searched, is_small, label
from tests.drawings import texts_of_both
from tests.experiments.recipes import run_in_one_process

pytestmark = pytest.mark.slow

RECIPE = """
name: tiny
corpus: {name: numbers, vocab_size: 150, model_type: bpe, size: 1000, test_size: 10, valid_size: 10}
model:
  arch: masked_transformer_tiny
  encoder-embed-dim: 32
  decoder-embed-dim: 32
  encoder-ffn-embed-dim: 32
  decoder-ffn-embed-dim: 32
  encoder-attention-heads: 4
  decoder-attention-heads: 4
  max-target-positions: 26
  encoder-normalize-before: true
  decoder-normalize-before: true
  share-all-embeddings: true
training:
  cpu: true
  max-update: 12
  max-tokens: 200
  optimizer: adam
  lr: 0.01
  lr-scheduler: inverse_sqrt
  warmup-updates: 3
  criterion: label_smoothed_cross_entropy
  label-smoothing: 0.1
  validate-interval: 1000
  save-interval: 1000
  eval-bleu-args: {beam: 1, max_len_a: 0, max_len_b: 20}
generation: {beam: 1}
ladder: [0, 50]
start_rounds: {slt-mp: [20], mp-slt: [20]}
search: {ffn: "unit:normalise=true", score: loss, keep: 0.97, calibration_batches: 2}
"""
# A mask is learned in 1,000 steps, which a training of 12 updates does not need.
SHORT = {"name": "oes-short", "like": "oes", "saliency": "oes:steps=20"}
NAMES = {SHORT["name"] if name == SHORT["like"] else name for name in techniques}
SEARCHED = [name for name, technique in techniques.items() if technique.mask.by_search]
QUANTIZED = [name for name, technique in techniques.items() if technique.quantizes]
# Of heads and units, all of them in the body.
STRUCTURED = ["hard-concrete", "greedy", "greedy-calibration", "greedy-oneshot"]


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The report of a recipe with all that can stand in one."""
    folder = tmp_path_factory.mktemp("systems")
    everything = {
        "techniques": [SHORT, *sorted(NAMES & techniques.keys() - techniques.controls().keys())],
        "controls": sorted(techniques.controls()),
    }
    done = run_in_one_process(folder, RECIPE + yaml.safe_dump(everything))
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "runs" / "tiny" / "report"


@pytest.fixture(scope="module")
def rows(report) -> dict[str, dict[str, str]]:
    with (report / "results.csv").open(encoding="utf-8") as file:
        return {row["run"].removesuffix("-seed1"): row for row in csv.DictReader(file)}


def shown(rows):
    """The names of the techniques, as figures write them."""
    return {label(row["technique"]) for row in rows.values()} - {label(DENSE), label(LONGER)}


def test_every_technique_has_its_runs(rows):
    by_rung = NAMES - {*SEARCHED}
    expected = {DENSE, f"{LONGER}-x2", f"{LONGER}-x3", *(f"{name}-50" for name in by_rung)}
    expected |= {*SEARCHED, *(f"{name}-0" for name in QUANTIZED)}
    assert rows.keys() == expected | {"slt-mp-20", "mp-20"}  # start rounds of slt-mp and mp-slt
    updates = {name: int(rows[name]["total_updates"]) for name in (DENSE, "mp-50", f"{LONGER}-x2", f"{LONGER}-x3")}
    assert updates == {DENSE: 12, "mp-50": 12, f"{LONGER}-x2": 24, f"{LONGER}-x3": 36}
    shipped = load_recipe("systems-numbers")
    assert {*shipped.techniques, *shipped.controls} - {SHORT["like"]} <= {row["technique"] for row in rows.values()}


def test_every_mask_has_its_size(rows):
    for name, row in rows.items():
        if row["technique"] in (*STRUCTURED, *QUANTIZED, "soft-movement") or "subnetwork" in name:
            continue
        if is_small(row["technique"]):
            assert float(row["sparsity_all"]) == 0
            continue
        measured = [float(row[f"sparsity_{part}"]) for part in ("prunable", "body")]
        assert min(abs(share - float(row["target_sparsity"])) for share in measured) < 0.005, name
    found = {rows[name]["sparsity_body"] for name in SEARCHED}
    assert len(found) == 1
    assert 0 < float(*found) < 0.9


def test_all_of_them_are_on_the_plots_of_size_and_cpu_time(rows, report):
    dense = rows[DENSE]
    for name, row in rows.items():
        assert 0 < float(row["mb_packed"]) <= float(dense["mb_packed"]) * 1.01, name
        assert float(row["mb_packed"]) < float(row["mb_csc_deflated"]) < float(row["mb_csc"]), name
        measured = row["cpu_seconds"] and float(row["cpu_seconds"]) / float(row["cpu_seconds_dense"])
        assert float(row["cpu_ratio"]) == pytest.approx(measured or 1), name
    for name in STRUCTURED:
        assert float(rows[f"{name}-50"]["mb_used"]) < float(dense["mb_used"])
        assert rows[f"{name}-50"]["cpu_seconds"]
    assert rows["slt-50"]["cpu_seconds"] == ""
    for bits, name in ((8, "int8-0"), (4, "int4-0")):
        assert float(rows[name]["mb_packed"]) < (bits + 8) / 32 * float(dense["mb_used"])
        assert rows[name]["checkpoint"] == "checkpoint_quantized.pt"
    for figure in ("size", "cpu_time"):
        assert shown(rows) <= texts_of_both(report / figure)
    of_rungs = {name: row for name, row in rows.items() if not is_searched(row["technique"])}
    assert shown(of_rungs) <= {text.partition(" (")[0] for text in texts_of_both(report / "bleu")}
    table = (report / "table.md").read_text(encoding="utf-8")
    assert "not scored" not in table
    assert (
        f"{round(100 * float(rows['subnetwork-good']['sparsity_prunable']), 1):g} %" in table.split("## Subnetworks")[1]
    )
    for title in ("## Controls", "## Subnetworks", "## Size", "## Speed on a CPU"):
        assert title in table


def test_all_of_them_are_translated_with_elsewhere(rows, report):
    is_built, has_ctranslate2 = (find_spec(name) is not None for name in ("nmt_prune.runtime._engine", "ctranslate2"))
    for name, row in rows.items():
        bits = {"int8": 8, "int4": 4}.get(name.partition("-")[0])
        assert (f"activations are rounded to {bits} bits in fairseq only" in row["export_notes"]) == (bits is not None)
        assert float(row["speed_packed_to_dense_fairseq"]) > 0, name
        assert (row["speed_packed_to_dense_int8"] != "") == (row["bleu_packed_int8"] != "") == is_built
        assert (row["speed_packed_to_dense_ctranslate2_int8"] != "") == has_ctranslate2
        assert (row["bleu_ctranslate2_int8"] != "") == has_ctranslate2
        if is_built and bits is None:
            assert float(row["bleu_packed"]) == pytest.approx(float(row["bleu"]), abs=0.05), name
    assert shown(rows) <= texts_of_both(report / "speed")
