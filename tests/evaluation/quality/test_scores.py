import math

import pytest
import sacrebleu

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.scores import score

HYPOTHESES = ["The cat sat on the mat.", "There is a dog in the garden"]
REFERENCES = ["The cat sat on a mat.", "There is a dog in the garden."]


def test_equals_direct_sacrebleu_calls():
    scores = score(HYPOTHESES, REFERENCES)
    assert scores.bleu == sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES]).score
    assert scores.chrf == sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES]).score
    assert scores.ter == sacrebleu.corpus_ter(HYPOTHESES, [REFERENCES]).score
    assert scores.signatures["bleu"] == f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{sacrebleu.__version__}"
    assert set(scores.signatures) == {"bleu", "chrf", "ter"}


def test_bleu_by_hand():
    # 7 + 7 tokens (13a splits the stop off) against 7 + 8. Matches: 6 + 7 unigrams, 4 + 6 bigrams, 2 + 5 trigrams
    # and 1 + 4 4-grams of 14, 12, 10 and 8; brevity penalty exp(1 - 15 / 14).
    precisions = 13 / 14, 10 / 12, 7 / 10, 5 / 8
    expected = 100 * math.exp(1 - 15 / 14) * math.prod(precisions) ** (1 / 4)
    assert score(HYPOTHESES, REFERENCES).bleu == pytest.approx(expected)


def test_ter_by_hand():
    # One substitution ("the" for "a") and one for the missing stop ("garden" for "garden."), over 6 + 7 words.
    assert score(HYPOTHESES, REFERENCES).ter == pytest.approx(100 * 2 / 13)


def test_perfect_and_hopeless():
    perfect = score(REFERENCES, REFERENCES)
    assert (perfect.bleu, perfect.chrf, perfect.ter) == (pytest.approx(100), pytest.approx(100), 0)
    hopeless = score(["", ""], REFERENCES)
    assert (hopeless.bleu, hopeless.ter) == (0, 100)


def test_case_counts():
    assert score([line.upper() for line in REFERENCES], REFERENCES).bleu < 10


def test_chinese_is_scored_by_characters():
    hypotheses, references = ["我们今天去北京大学看书。"], ["我们今天去北京大学读书。"]
    scores = score(hypotheses, references, "zh-Hans")
    assert scores.bleu == sacrebleu.corpus_bleu(hypotheses, [references], tokenize="zh").score > 50
    assert scores.ter == pytest.approx(100 / 12)
    assert ("tok:zh" in scores.signatures["bleu"], "asian:yes" in scores.signatures["ter"]) == (True, True)
    assert scores.tokenize == "zh"
    assert score(hypotheses, references, "zh-Hans", "char").tokenize == "char"


@pytest.mark.parametrize(("hypotheses", "message"), [(HYPOTHESES[:1], "1 lines for 2 references"), ([], "0 lines")])
def test_unequal_line_counts(hypotheses, message):
    with pytest.raises(PruneError, match=message):
        score(hypotheses, REFERENCES)


def test_nothing_to_score():
    with pytest.raises(PruneError, match="empty"):
        score([], [])
