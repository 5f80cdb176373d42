"""A small transfer recipe for real, from the command line: two pairs, tiny models."""

import csv

import pytest
import torch

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.masks.mask_file import load_masks
from tests.drawings import texts_of_both
from tests.experiments.recipes import run_in_one_process

pytestmark = pytest.mark.slow

RECIPE = """
kind: transfer
corpus: {name: numbers, vocab_size: 150, model_type: bpe, size: 2000, test_size: 20, valid_size: 10}
corpora: [{source: en, target: de}, {source: en, target: PAIR}]
model:
  arch: masked_transformer_tiny
  encoder-layers: 1
  decoder-layers: 1
  encoder-embed-dim: 16
  decoder-embed-dim: 16
  encoder-ffn-embed-dim: 20
  decoder-ffn-embed-dim: 20
  encoder-attention-heads: 2
  decoder-attention-heads: 2
  share-all-embeddings: true
  max-target-positions: 32
training:
  cpu: true
  max-update: 10
  max-tokens: 300
  optimizer: adam
  lr: 0.005
  criterion: label_smoothed_cross_entropy
  label-smoothing: 0.1
  validate-interval: 1000
  save-interval: 1000
  eval-bleu-args: {beam: 1, max_len_a: 0, max_len_b: 5}
generation: {beam: 1}
controls: []
seeds: [1, 2]
weights: [target, source]
"""


def test_masks_of_each_pair_are_trained_on_the_other(tmp_path):
    done = run_in_one_process(tmp_path, RECIPE.replace("PAIR", "fr"))
    assert done.returncode == 0, done.stderr[-2000:]
    runs = tmp_path / "runs" / "small"
    assert "mask from en-fr" in done.stdout
    assert (runs / "en-de/report/bleu.png").exists()
    with (runs / "report/transfer.csv").open(encoding="utf-8") as file:
        rows = {(row["row"], row["target"]): row for row in csv.DictReader(file)}
    kinds = ("dense", "en-de", "en-fr")
    parents = {("weights-from-en-fr", "en-de"), ("weights-from-en-de", "en-fr")}
    assert rows.keys() == {(row, target) for row in kinds for target in ("en-de", "en-fr")} | parents
    assert all(row["seeds"] == "2" for row in rows.values())
    assert {f"{float(row['bleu']):.1f}" for row in rows.values()} <= texts_of_both(runs / "report/transfer")
    # The other pair's mask outside of the embeddings, to the bit, also after the training.
    giver = Checkpoint.load(runs / "en-fr/slt-70-seed1/checkpoint_last.pt").masks
    moved = Checkpoint.load(runs / "en-de/from-en-fr-70-seed1/checkpoint_last.pt").masks
    file, provenance = load_masks(runs / "en-de/from-en-fr-70-seed1/transferred.safetensors")
    body = [prunable for prunable in giver.prunables if prunable.in_body]
    assert all(torch.equal(giver[p.name], moved[p.name]) and torch.equal(giver[p.name], file[p.name]) for p in body)
    assert giver.sparsity(body) == moved.sparsity(body) == pytest.approx(0.7, abs=1e-3)
    assert all(moved[p.name].all() for p in moved.prunables if not p.in_body)
    assert provenance["transferred_from"] == "checkpoint_last.pt"
    own = Checkpoint.load(runs / "en-de/slt-70-seed1/checkpoint_last.pt").masks
    assert not all(torch.equal(own[p.name], moved[p.name]) for p in body)
    # The same mask on the other pair's trained weights.
    learned = Checkpoint.load(runs / "en-de/weights-from-en-fr-70-seed1/checkpoint_last.pt")
    parent = Checkpoint.load(runs / "en-fr/dense-seed1/checkpoint_last.pt").model
    fitted = Checkpoint.load(runs / "en-de/weights-from-en-fr-70-seed1/parent.pt").model
    assert learned.masks == moved
    assert all(torch.equal(fitted[p.name], parent[p.name]) for p in body)


def test_an_unknown_pair_stops_before_any_training(tmp_path):
    failed = run_in_one_process(tmp_path, RECIPE.replace("PAIR", "xx"))
    assert failed.returncode == 1
    message = failed.stderr.strip().splitlines()[-1]
    assert "--target xx: corpus numbers has en, de, fr" in message
    assert not list((tmp_path / "runs").glob("*/*/*.pt"))
