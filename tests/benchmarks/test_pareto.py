"""Which ways of translating are on the front, and what they are compared with."""

from tests.benchmarks.pareto import CT2, OURS, Point, Way, draw, fastest, is_on_front

POINTS = {
    Way("dense", CT2, 5, False, 1): Point(20.0, 100),
    Way("dense", CT2, 1, False, 1): Point(18.0, 300),
    Way("dense", CT2, 5, False, 32): Point(20.0, 900),
    Way("dense", OURS, 5, False, 1): Point(20.0, 250),
    Way("ladder-gmp-90", OURS, 1, True, 1): Point(17.0, 280),
}


def test_the_front_is_of_one_batch_size():
    assert [is_on_front(way, POINTS) for way in POINTS] == [True, True, True, True, False]


def test_the_fastest_peer_is_as_good():
    assert fastest(POINTS, CT2, 1, 20.0) == 100
    assert fastest(POINTS, CT2, 1, 17.5) == 300
    assert fastest(POINTS, CT2, 1, 20.5) is None


def test_a_picture_with_every_way(tmp_path):
    draw(POINTS, tmp_path / "pareto.svg")
    text = (tmp_path / "pareto.svg").read_text()
    for label in ("batches of 1<", "batches of 32<", "dense, CTranslate2<", "ladder-gmp-90, ours<"):
        assert label in text
