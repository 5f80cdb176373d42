from dataclasses import replace

import pytest
import sacrebleu

from nmt_prune.evaluation.quality.sentence_statistics import sentence_bleu, sentence_statistics
from nmt_prune.evaluation.records.scored_runs import read_runs
from nmt_prune.evaluation.reports.page.examples import EACH_WAY, _sources, examples, marked
from tests.evaluation.corpus import gathered
from tests.evaluation.samples import results, row


@pytest.mark.parametrize(
    ("hypothesis", "reference", "expected"),
    [
        ("der Hund", "der Hund", [("der Hund", False)]),
        ("der Hund bellt laut", "der Hund laut", [("der Hund ", False), ("bellt ", True), ("laut", False)]),
        ("我喜欢狗", "我喜欢猫", [("我喜欢", False), ("狗", True)]),
        ("Der Hund.", "der Hund.", [("Der", True), (" Hund.", False)]),
        ("", "der Hund", []),
    ],
)
def test_words_that_the_reference_lacks(hypothesis, reference, expected):
    found = marked(hypothesis, reference)
    assert "".join(text for text, _ in found) == hypothesis
    assert [(text, differs) for text, differs in found] == expected


def test_sentence_bleu_is_that_of_sacrebleu():
    pairs = [
        ("der Hund bellt heute", "der Hund bellt nicht"),
        ("ja", "ja"),
        ("nein", "ja"),
        ("", "ja"),
        ("der die", "der das Haus"),
    ]
    expected = [sacrebleu.sentence_bleu(line, [one]).score for line, one in pairs]
    assert sentence_bleu(sentence_statistics(*zip(*pairs, strict=True))) == pytest.approx(expected)


def test_sentences_that_either_side_wins(page):
    found = examples(gathered(page.runs), read_runs(page.runs))
    assert len(found) == 2 * EACH_WAY or all(one.translations for one in found)
    leads = [one.translations[0].bleu - sum(t.bleu for t in one.translations[1:]) / 3 for one in found]
    won = [lead for lead in leads if lead > 0]
    assert won == sorted(won, reverse=True)
    assert len(won) == EACH_WAY
    assert [one.system.split(",")[0] for one in found[0].translations][:3] == ["dense", "MP", "SLT"]
    assert found[0].translations[2].system == "SLT, 90 %"


def test_titles_of_a_few_words_are_left_out_unless_all_are_short(page, monkeypatch):
    def found(shortest):
        monkeypatch.setattr("nmt_prune.evaluation.reports.page.examples.SHORTEST", shortest)
        return examples(gathered(page.runs), read_runs(page.runs))

    every = found(0)
    assert found(1000) == every
    monkeypatch.setattr("nmt_prune.evaluation.reports.page.examples._pieces", lambda text: [text] * text.count("Hund"))
    assert any(one.reference.count("Hund") < 2 for one in every)
    assert all(one.reference.count("Hund") >= 2 for one in found(2))


def test_the_source_of_a_tag_with_a_hyphen(tmp_path):
    shown = replace(results(row("mp", 0.5, 20.0, 800)), pair="zh-Hans-en")
    count = shown.convention.sentences
    for language in ("en", "zh-Hans"):
        (tmp_path / f"test.{language}").write_text(f"{language}\n" * count)
    assert _sources(tmp_path / "test.en", shown) == ["zh-Hans"] * count
