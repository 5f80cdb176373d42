"""Differences over seeds and sentences: against sacreBLEU, by hand, and by simulation."""

import math
from functools import cache

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest

from nmt_prune.evaluation.quality.resamples import Resamples, holm
from nmt_prune.evaluation.quality.sentence_statistics import corpus_bleu, sentence_statistics
from tests.evaluation.corpus import corrupted, references

REFERENCES = references()
SYSTEMS = {"better": corrupted(REFERENCES, 0.2, seed=1), "worse": corrupted(REFERENCES, 0.225, seed=2)}


def statistics(lines):
    return sentence_statistics(lines, REFERENCES[: len(lines)])


def test_bleu_of_sums_is_sacrebleus_whatever_is_missing():
    random = np.random.default_rng(1)
    totals = np.sort(random.integers(0, 40, size=(300, 4)))[:, ::-1]
    counts = np.sort(random.integers(0, np.maximum(totals, 1)), axis=1)[:, ::-1] * random.integers(2, size=(300, 4))
    sums = np.column_stack([totals[:, 0], random.integers(1, 40, size=300), np.minimum(counts, totals), totals])
    theirs = [BLEU.compute_bleu([*one[2:6]], [*one[6:]], one[0], one[1], "exp").score for one in sums.tolist()]
    assert corpus_bleu(sums) == pytest.approx(theirs)
    assert {0.0} < set(theirs)


def test_one_seed_is_sacrebleus_paired_bootstrap(monkeypatch):
    monkeypatch.setenv("SACREBLEU_SEED", "1")
    named = [(name, SYSTEMS[name]) for name in ("worse", "better")]
    _, theirs = PairedTest(named, {"BLEU": BLEU()}, [REFERENCES], "bs", 2000)()
    baseline, better = theirs["BLEU"]
    resamples = Resamples.of({name: statistics(lines) for name, lines in SYSTEMS.items()})
    found = resamples.differences({"": [("better", "worse")]})[""]
    assert found.delta == pytest.approx(better.score - baseline.score)
    low, high = resamples.interval("better")
    assert (low, high) == (
        pytest.approx(better.mean - better.ci, abs=0.3),
        pytest.approx(better.mean + better.ci, abs=0.3),
    )
    # Its p-value is that of one tail.
    assert 0.005 < found.p_value < 0.5
    assert found.p_value / 2 == pytest.approx(better.p_value, abs=0.02)
    assert (found.seeds, found.p_holm, found.comparisons) == (1, found.p_value, 1)


def test_interval_and_p_value_say_the_same():
    resamples = Resamples.of({name: statistics(lines) for name, lines in SYSTEMS.items()})
    found = resamples.differences({"": [("better", "worse")]})[""]
    assert (found.low > 0) is (found.p_value < 0.05)
    assert (found.low + found.high) / 2 == pytest.approx(found.delta)


def test_seeds_alone_are_students_t():
    """Sentences that are all alike leave the spread over seeds: a t of 5.66 with 2 degrees has p = 0.0298."""
    deltas = (2.3, 1.6, 3.0)
    bleu = {f"a{seed}": 20 + delta for seed, delta in enumerate(deltas)} | {f"b{seed}": 20.0 for seed in range(3)}
    resamples = Resamples(bleu, {name: np.full(100_000, value) for name, value in bleu.items()})
    found = resamples.differences({"": [(f"a{seed}", f"b{seed}") for seed in range(3)]})[""]
    assert found.delta == pytest.approx(2.3)
    assert found.p_value == pytest.approx(0.0298, abs=0.002)
    assert found.high - found.delta == pytest.approx(4.303 * 0.7 / math.sqrt(3), rel=0.03)
    assert found.seeds == 3


def test_a_system_does_not_differ_from_itself():
    resamples = Resamples.of({name: statistics(SYSTEMS["better"]) for name in ("one", "two", "three", "four")})
    found = resamples.differences({"": [("one", "two"), ("three", "four")]})[""]
    assert (found.delta, found.low, found.high, found.p_value, found.significant) == (0, 0, 0, 1, False)


def test_the_same_pairs_count_once():
    resamples = Resamples.of({name: statistics(lines) for name, lines in SYSTEMS.items()})
    pair = [("better", "worse")]
    found = resamples.differences({"slt": pair, "slt-mp": pair, "mp": [("worse", "better")]})
    assert found["slt"] == found["slt-mp"]
    assert found["mp"].comparisons == 2
    assert found["mp"].p_holm == 2 * found["mp"].p_value
    assert Resamples({}, {}).differences({}) == {}


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == pytest.approx([1, 1])
    assert holm([]) == []


def test_draws_are_the_same_every_time():
    first, again = (Resamples.of({"one": statistics(SYSTEMS["worse"])}, 600) for _ in range(2))
    assert np.array_equal(first.resampled["one"], again.resampled["one"])
    assert not np.array_equal(first.resampled["one"][:100], first.resampled["one"][500:])


@cache
def _levels():
    """Sentences at 21 levels of quality, twice each: (levels, 2, sentences, numbers)."""
    shares = np.linspace(0.2, 0.4, 21)
    return np.stack(
        [
            [statistics(corrupted(REFERENCES, share, seed=100 * i + j)) for j in range(2)]
            for i, share in enumerate(shares)
        ]
    )


def _p_value(trial, seeds, spread, better=0):
    """Of two techniques on 80 new sentences: levels around 10 with a spread over seeds, sentences of either version."""
    random = np.random.default_rng(trial)
    sentences = random.choice(len(REFERENCES), 80, replace=False)
    systems = {}
    for seed in range(seeds):
        for technique, level in (("a", 10 - better), ("b", 10)):
            drawn = int(np.clip(round(level + spread * random.standard_normal()), 0, 20))
            systems[f"{technique}{seed}"] = _levels()[drawn][random.integers(2, size=80), sentences]
    resamples = Resamples.of(systems, 200, seed=trial + 1)
    return resamples.differences({"": [(f"a{seed}", f"b{seed}") for seed in range(seeds)]})[""].p_value


@pytest.mark.parametrize("seeds", [2, 3])
@pytest.mark.parametrize("spread", [0, 3])
def test_techniques_that_do_not_differ_are_rarely_found_to(seeds, spread):
    found = np.mean([_p_value(trial, seeds, spread) < 0.05 for trial in range(150)])
    assert found < 0.05 + 2 * (0.05 * 0.95 / 150) ** 0.5


def test_of_one_seed_the_rate_is_right_only_if_seeds_are_all_alike():
    alike, unlike = (np.mean([_p_value(trial, 1, spread) < 0.05 for trial in range(150)]) for spread in (0, 3))
    assert 0.02 < alike < 0.09
    assert unlike > 0.2


def test_a_clear_difference_is_found():
    assert np.mean([_p_value(trial, 3, 0.5, better=10) < 0.05 for trial in range(50)]) > 0.9
