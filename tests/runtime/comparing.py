"""Whether two engines found the same."""

from itertools import chain

import pytest

from nmt_prune.runtime.settings.search_options import Hypothesis


def assert_equal(found: list[list[Hypothesis]], expected: list[list[Hypothesis]], tolerance: float = 1e-4) -> None:
    assert [[h.tokens for h in beam] for beam in found] == [[h.tokens for h in beam] for beam in expected]
    for mine, theirs in zip(chain(*found), chain(*expected), strict=True):
        assert mine.score == pytest.approx(theirs.score, abs=tolerance)
        assert mine.token_scores == pytest.approx(theirs.token_scores, abs=tolerance)
