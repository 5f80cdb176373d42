"""Which of a teacher's hypotheses become targets, with a teacher that says what it is told to."""

from pathlib import Path

import pytest

from nmt_prune.distillation import targets
from nmt_prune.distillation.settings import Distillation
from nmt_prune.distillation.targets import CUT, EMPTY, TOO_LONG, TRANSLATED, Targets
from nmt_prune.errors import PruneError
from nmt_prune.text.dictionaries import EOS

HYPOTHESES = {
    4: [[4, 4, EOS], [5, EOS]],
    5: [[EOS], [6, EOS]],
    6: [[7] * 6 + [EOS]],  # of a source of two tokens the longest target has 2 * 2 + 1
    7: [],
    8: [[EOS]],
}


class Oracle:
    longest_source, longest_output = 100, 100

    def __init__(self, settings):
        self.nbest = settings.best_of

    def search(self, sources):
        return [HYPOTHESES.get(source[0], [[EOS]])[: self.nbest] for source in sources]


@pytest.fixture(autouse=True)
def _oracle(monkeypatch):
    monkeypatch.setattr(targets, "load_teacher", Oracle)
    monkeypatch.setattr(targets, "load_quality", lambda settings: lambda one, other: -abs(len(one) - len(other)))


def pairs(*sources, **settings):
    chosen = Distillation(Path("teacher.pt"), Path("data"), max_len_a=2, max_len_b=1, **settings)
    return Targets(chosen).pairs([[*source, EOS] for source in sources], [[9, EOS] for _ in sources])


def test_the_best_hypothesis():
    found, counts = pairs([4], best_of=1)
    assert found == [([4, EOS], [4, 4, EOS])]
    assert counts == {TRANSLATED: 1}


def test_the_nearest_to_the_reference():
    found, _ = pairs([4], best_of=2)
    assert found == [([4, EOS], [5, EOS])]


def test_of_several_an_empty_one_is_passed_over():
    assert pairs([5], best_of=2)[0] == [([5, EOS], [6, EOS])]


@pytest.mark.parametrize(("source", "what"), [([6], CUT), ([7], TOO_LONG), ([8], EMPTY), ([], EMPTY)])
def test_what_is_left_out_is_counted(source, what):
    assert pairs(source) == ([], {what: 1})
    found, counts = pairs(source, keep_originals=True)
    assert found == [([*source, EOS], [9, EOS])]
    assert counts == {what: 1}


def test_originals_stand_beside_their_translations():
    found, _ = pairs([4], [7], keep_originals=True)
    assert found == [([4, EOS], [4, 4, EOS]), ([4, EOS], [9, EOS]), ([7, EOS], [9, EOS])]


def test_contradictions():
    with pytest.raises(PruneError, match="--best-of 6 is more than --beam 5; widen the beam"):
        Distillation(Path("teacher.pt"), Path("data"), best_of=6)
    with pytest.raises(PruneError, match="--values int8 is for this toolkit's engines"):
        Distillation(Path("teacher.pt"), Path("data"), engine="fairseq", values="int8")
    with pytest.raises(PruneError, match="--max-len-b -1"):
        Distillation(Path("teacher.pt"), Path("data"), max_len_b=-1)
