"""A recipe on WMT 2014, from a loopback mirror: its report shows the papers' numbers beside ours."""

import pytest

from tests.data_prep.archives import fill_sacrebleu, write_training_archives
from tests.data_prep.mirror import Mirror
from tests.drawings import texts_of_both
from tests.experiments.recipes import run_in_one_process

pytestmark = pytest.mark.slow

RECIPE = """
name: small
corpus: {name: wmt14-en-de, archives: table.tsv, vocab_size: 160, model_type: bpe, max_ratio: 4}
# A model of 30 updates knows no end of a sentence: none of its outputs is longer.
model:
  arch: masked_transformer_tiny
  encoder-layers: 1
  decoder-layers: 1
  share-all-embeddings: true
  max-target-positions: 24
training:
  cpu: true
  max-update: 30
  max-tokens: 1000
  optimizer: scaled_adafactor
  lr: 0.01
  lr-scheduler: inverse_sqrt
  warmup-updates: 10
  warmup-init-lr: 0.01
  criterion: label_smoothed_cross_entropy
  label-smoothing: 0.1
  validate-interval: 1000
  save-interval: 1000
  # Only that something is chosen: a model of 30 updates has nothing to say.
  eval-bleu-args: {beam: 1, max_len_a: 0, max_len_b: 5}
generation: {beam: 1}
ladder: [80]
techniques: [mp]
published: [brix2020, gale2019]
"""


def test_the_papers_stand_beside_our_numbers_with_their_conventions(tmp_path, monkeypatch):
    write_training_archives(tmp_path / "mirror", tmp_path / "table.tsv", size=300)
    fill_sacrebleu(tmp_path / "sacrebleu", sizes=(100, 200))
    monkeypatch.setenv("SACREBLEU", str(tmp_path / "sacrebleu"))
    with Mirror(tmp_path / "mirror").running() as mirror:
        table = (tmp_path / "table.tsv").read_text().replace("https://www.statmt.org", mirror.address)
        (tmp_path / "table.tsv").write_text(table)
        done = run_in_one_process(tmp_path, RECIPE)
    assert done.returncode == 0, done.stderr[-2000:]
    report = (tmp_path / "runs/small/report/table.md").read_text()
    ours, *beside = report.split("## Beside ")
    assert [section.splitlines()[0] for section in beside] == [
        "Brix 2020 (SacreBLEU, tokenized, cased)",
        "Gale 2019 (Moses multi-bleu, tokenized)",
    ]
    assert "Brix" not in ours
    row = next(line for line in beside[0].splitlines() if line.startswith("| 80 %"))
    cells = [cell.strip() for cell in row.split("|")[2:-1]]
    # Brix 2020, Table 1: dense 26.8; at 80 % MP 24.8.
    assert cells[1] == "24.8 (-2.0)"
    assert "*ours*: sacreBLEU `nrefs:1|case:mixed|eff:no|tok:13a" in beside[0]
    drawn = texts_of_both(tmp_path / "runs/small/report/bleu")
    assert {"dense (30)", "MP (30)", "dense, Brix 2020", "dense, Gale 2019"} <= drawn
    assert any(text.startswith("Brix 2020 (") for text in drawn)
