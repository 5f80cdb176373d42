import numpy as np
import pytest
import sacrebleu

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.resamples import SEED, Resamples
from nmt_prune.evaluation.quality.sentence_statistics import sentence_statistics
from nmt_prune.evaluation.quality.significance import compare, permutation_test
from nmt_prune.text.bleu import WORDS
from tests.evaluation.corpus import corrupted, references

REFERENCES = references()
DENSE = corrupted(REFERENCES, 0.2, seed=1)
SYSTEMS = {
    "dense": DENSE,
    "twin": list(DENSE),
    "same quality": corrupted(REFERENCES, 0.2, seed=2),
    "much worse": corrupted(REFERENCES, 0.4, seed=3),
    "much better": corrupted(REFERENCES, 0.05, seed=4),
}


def compared(systems, sentences, baseline, tokenize=WORDS, seed=SEED):
    statistics = {name: sentence_statistics(lines, sentences, tokenize, name) for name, lines in systems.items()}
    return compare(statistics, Resamples.of(statistics, 1000, seed), baseline, seed=seed)


@pytest.fixture(scope="module")
def comparisons():
    return compared(SYSTEMS, REFERENCES, "dense")


def test_identical_systems_do_not_differ(comparisons):
    twin = comparisons["twin"]
    assert (twin.delta, twin.p_value, twin.significant) == (0, 1, False)


def test_different_output_of_equal_quality_does_not_differ(comparisons):
    assert comparisons["same quality"].p_value > 0.05
    assert not comparisons["same quality"].significant


def test_clear_differences_in_both_directions(comparisons):
    worse, better = comparisons["much worse"], comparisons["much better"]
    assert worse.delta < -5
    assert better.delta > 5
    assert worse.p_value == better.p_value == 1 / 1001
    assert worse.significant
    assert better.significant


def test_the_baseline_is_compared_with_nothing(comparisons):
    dense = comparisons["dense"]
    assert (dense.delta, dense.p_value, dense.significant) == (None, None, False)
    assert list(comparisons) == list(SYSTEMS)


def test_scores_and_deltas_are_sacrebleus(comparisons):
    for name, hypotheses in SYSTEMS.items():
        assert comparisons[name].bleu == pytest.approx(sacrebleu.corpus_bleu(hypotheses, [REFERENCES]).score)
    assert comparisons["much worse"].delta == comparisons["much worse"].bleu - comparisons["dense"].bleu


def test_p_values_are_calibrated():
    """Of systems that do not differ, 5 % have p < 0.05, 10 % have p < 0.1, and half have p < 0.5."""
    sentences = references(2000)
    systems = [sentence_statistics(corrupted(sentences, 0.3, seed), sentences) for seed in (11, 12)]
    random = np.random.default_rng(5)
    p_values = []
    for seed in range(1, 401):
        drawn = random.choice(len(sentences), 60, replace=False)
        # Each sentence of either system may be the one's or the other's: no difference at all.
        swapped = random.integers(2, size=(60, 1))
        one, other = (np.where(swapped == side, systems[0][drawn], systems[1][drawn]) for side in (0, 1))
        p_values.append(permutation_test(one, other, samples=100, seed=seed)[1])
    below = {level: np.mean(np.array(p_values) < level) for level in (0.05, 0.1, 0.5)}
    # Three standard deviations of a share of 400.
    assert all(abs(share - level) < 3 * (level * (1 - level) / 400) ** 0.5 for level, share in below.items()), below


def test_one_sentence_alone_is_never_significant():
    other = [*DENSE[:-1], REFERENCES[-1]]
    found = compared({"dense": DENSE, "other": other}, REFERENCES, "dense")["other"]
    assert found.delta > 0
    assert found.p_value == 1


def test_statistics_of_sentences_sum_up_to_corpus_bleu():
    hypotheses = ["", "der", *DENSE[2:]]
    sums = sentence_statistics(hypotheses, REFERENCES).sum(axis=0).tolist()
    corpus = sacrebleu.corpus_bleu(hypotheses, [REFERENCES])
    assert sums == [corpus.sys_len, corpus.ref_len, *corpus.counts, *corpus.totals]


def test_the_tokenizer_is_that_of_the_scores():
    lines, others = ["我们今天去北京大学看书。"] * 20, ["我们今天去北京大学看报。"] * 20
    found = compared({"dense": lines, "other": others}, lines, "dense", tokenize="zh")
    assert found["other"].bleu == pytest.approx(sacrebleu.corpus_bleu(others, [lines], tokenize="zh").score)
    assert found["other"].delta == found["other"].bleu - found["dense"].bleu


def test_interval_and_p_value_against_a_bootstrap_of_our_own(comparisons):
    metric = sacrebleu.BLEU()
    counts = {
        name: np.array(metric._extract_corpus_statistics(SYSTEMS[name], [REFERENCES]))
        for name in ("dense", "same quality")
    }
    draws = np.random.default_rng(7).integers(len(REFERENCES), size=(1000, len(REFERENCES)))
    bleu = {
        name: np.array([metric._compute_score_from_stats(each[draw].sum(0)).score for draw in draws])
        for name, each in counts.items()
    }
    low, high = np.percentile(bleu["same quality"], [2.5, 97.5])
    ours = comparisons["same quality"]
    assert (ours.low, ours.high) == (pytest.approx(low, abs=0.5), pytest.approx(high, abs=0.5))
    # Resampled differences, shifted to a mean of zero, on both sides.
    differences = bleu["same quality"] - bleu["dense"]
    p_value = np.mean(np.abs(differences - ours.delta) >= abs(ours.delta))
    assert ours.p_value == pytest.approx(p_value, abs=0.07)


def test_the_seed_decides(comparisons):
    assert compared(SYSTEMS, REFERENCES, "dense") == comparisons
    other = compared(SYSTEMS, REFERENCES, "dense", seed=2)
    assert other["same quality"].low != comparisons["same quality"].low
    assert other["same quality"].p_value != comparisons["same quality"].p_value


def test_without_a_baseline_there_are_intervals_only(comparisons):
    alone = compared({"much worse": SYSTEMS["much worse"]}, REFERENCES, None)["much worse"]
    assert (alone.delta, alone.p_value) == (None, None)
    assert alone.low < alone.bleu < alone.high
    assert alone.bleu == comparisons["much worse"].bleu


def test_two_collapsed_systems_do_not_differ():
    collapsed = compared({"dense": ["a"] * 50, "other": ["b"] * 50}, REFERENCES[:50], "dense")["other"]
    assert (collapsed.bleu, collapsed.p_value) == (0, 1)


def test_unequal_lengths():
    with pytest.raises(PruneError, match=r"short: 9 lines for 200 references"):
        compared({"dense": DENSE, "short": DENSE[:9]}, REFERENCES, "dense")
