"""Keys and values beside int8 weights are float16: rounded as numpy rounds, but never to infinity."""

import numpy as np
import pytest

engine = pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")

LARGEST = 65504


@pytest.fixture
def every_half() -> np.ndarray:
    """All finite ones, as float32."""
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    return halves[np.isfinite(halves)].astype(np.float32)


def halves(values: np.ndarray) -> np.ndarray:
    return engine.halves(np.ascontiguousarray(values, np.float32)).view(np.float16)


def test_a_half_stays_what_it_is(every_half, instruction_set):
    assert (halves(every_half).view(np.uint16) == every_half.astype(np.float16).view(np.uint16)).all()


def test_others_are_rounded_to_the_nearest_and_between_two_to_the_even_one(every_half, instruction_set):
    ordered = np.sort(every_half)
    middles = (ordered[:-1] + ordered[1:]) / 2
    for values in (middles, np.nextafter(middles, -np.inf), np.nextafter(middles, np.inf)):
        assert (halves(values) == values.astype(np.float16)).all()


@pytest.mark.parametrize("size", [1, 7, 8, 17])
def test_beyond_the_largest_is_the_largest(size, instruction_set):
    beyond = np.resize(np.array([65519, 65520, 1e6, np.inf, np.float32(3e38)], np.float32), size)
    assert (halves(beyond) == LARGEST).all()
    assert (halves(-beyond) == -LARGEST).all()
    assert np.isnan(halves(np.full(size, np.nan))).all()
