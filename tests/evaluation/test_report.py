import dataclasses

from nmt_prune.evaluation.report import report_text
from nmt_prune.evaluation.reports.tables.legend import legend
from tests.evaluation.samples import results, row

ROWS = [
    row("dense", 0, 22.14, 800),
    row("mp", 0.5, 21.9, 800, p_value=0.3, delta=-0.24),
    row("mp", 0.8, 20.2, 800, p_value=0.001, delta=-1.94),
    row("slt", 0.5, 23.9, 1600, p_value=0.001, delta=1.76, also=("slt-mp",)),
    row("slt", 0.8, 22.2, 2400, p_value=0.9, delta=0.06),
    row("slt", 0.975, 12.0, 3200, p_value=0.001, delta=-10.14),
    row("slt-mp", 0.8, 23.0, 2400, p_value=0.04, delta=0.86),
    row("dense-longer", 0, 24.4, 1600, p_value=0.001, delta=2.26),
    row("random", 0.8, 9.94, 2400, p_value=0.001, delta=-12.2),
]

TEXT = """\
# made-up: BLEU by sparsity

| sparsity   |   of all |   of body |          MP |           SLT |        SLT-MP |
|:-----------|---------:|----------:|------------:|--------------:|--------------:|
| dense      |      0 % |       0 % |  22.1 (800) |    22.1 (800) |    22.1 (800) |
| 50 %       |     45 % |      50 % |  21.9 (800) | 23.9* (1,600) | 23.9* (1,600) |
| 80 %       |     72 % |      80 % | 20.2* (800) |  22.2 (2,400) |  23.0 (2,400) |
| 97.5 %     |   87.8 % |    97.5 % |           – | 12.0* (3,200) |             – |

## Controls

| control           |   sparsity |          BLEU |   Δ dense |
|:------------------|-----------:|--------------:|----------:|
| dense             |        0 % |    22.1 (800) |         – |
| dense, trained on |        0 % | 24.4* (1,600) |      +2.3 |
| random mask       |       80 % |  9.9* (2,400) |     -12.2 |

- BLEU on the 1,000 detokenized sentences of `test` in `numbers.en-de`; beam 5, length penalty 1; `checkpoint_best.pt`.
- sacreBLEU signature: `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0`. Papers score in other ways.
- One seed (1): no spread is known.
- `*`: differs from the dense model (paired bootstrap over sentences, two-sided, 10,000 resamples, seed 12345; \
p < 0.05, Holm's correction for 8 comparisons). One seed: it is about these models on other such sentences, not about \
other trainings.
- In parentheses: parameter updates behind the number, those of all ancestors (dense model, earlier rungs) included.
- Sparsity: of the prunable weights; *of all*: of all parameters; *of body*: without embeddings and output projection. \
The last two are measured in the scored checkpoints.
- A number that appears under two techniques is one run: up to there they are the same.
- A masked model is exactly as big in memory and as slow as the dense one until it is compacted.
"""


def test_text():
    assert report_text(results(*ROWS)) == TEXT


def test_spread_over_seeds_and_cells_with_fewer():
    rows = [row("dense", 0, bleu, 800, seed=seed) for seed, bleu in ((1, 22.0), (2, 23.0), (3, 24.0))]
    rows += [row("mp", 0.5, bleu, 800, seed=seed) for seed, bleu in ((1, 20.0), (2, 21.05))]
    rows += [row("slt", 0.5, 21.0, 800 + 100 * seed, seed=seed) for seed in (1, 2, 3)]
    text = report_text(results(*rows))
    assert "| dense      |      0 % |       0 % |        22.0" not in text
    assert "23.0 ± 1.0 (800)" in text
    assert "20.5 ± 0.7* (800; n = 2)" in text
    assert "21.0 ± 0.0 (900–1,100)" in text
    assert "Mean ± sample standard deviation over 3 seeds (1, 2, 3); `n` where there are fewer." in text
    assert "Student's t for the spread over seeds; p < 0.05, Holm's correction for 2 comparisons)." in text
    assert "With 3 seeds only what is large beside its spread over seeds is found: no mark is no equality." in text
    assert "## Controls" not in text


def test_techniques_whose_sparsity_of_all_differs_show_a_span():
    other = dataclasses.replace(row("slt", 0.5, 21, 800), sparsity_all=0.481)
    assert "| 50 %       | 45–48.1 % |" in report_text(results(row("mp", 0.5, 20, 800), other))


def test_only_a_dense_run():
    text = report_text(results(row("dense", 0, 22.14, 800)))
    assert "| dense      |      0 % |       0 % | 22.1 (800) |" in text


def test_remarks():
    denser = dataclasses.replace(row("mp", 0.9, 20, 800), sparsity_prunable=0.71, sparsity_body=0.72)
    body_only = dataclasses.replace(row("slt", 0.9, 20, 800), sparsity_prunable=0.6)
    text = "\n".join(legend(results(denser, body_only, unscored=("slt-95-seed1",))))
    assert "`mp-90-800-seed1`: the scored checkpoint is 71 % sparse, not 90 %." in text
    assert "`slt-90-800-seed1`:" not in text
    assert "`slt-95-seed1`: not scored yet." in text
    assert "No dense run with seed 1: its runs are not tested." in text
