"""Times in turns, by a clock that only moves when a system works."""

import pytest

from nmt_prune.measuring.turns import in_turns


class Work:
    """Systems that take as many seconds per batch as their name says, and write twice the batch."""

    def __init__(self):
        self.now, self.calls = 100.0, []

    def system(self, seconds, first=0.0):
        def translate(batch):
            is_first = seconds not in [called for called, _ in self.calls]
            self.calls.append((seconds, batch))
            self.now += seconds + first * is_first
            return 2 * batch

        return translate

    def clock(self):
        return self.now


def test_seconds_and_tokens_of_each_system_without_the_first_round():
    work = Work()
    found = in_turns([work.system(3, first=50), work.system(0.5, first=7)], [10, 20, 30], 100, clock=work.clock)
    assert found == (3, [9, 1.5], [120, 120])


def test_who_goes_first_changes():
    work = Work()
    in_turns([work.system(1), work.system(2), work.system(3)], [5, 6, 7], 100, clock=work.clock)
    assert work.calls == [
        *[(1, 5), (2, 5), (3, 5)],
        *[(2, 5), (3, 5), (1, 5)],
        *[(3, 6), (1, 6), (2, 6)],
        *[(1, 7), (2, 7), (3, 7)],
    ]


@pytest.mark.parametrize(("enough", "batches"), [(0.5, 1), (1, 2), (1.5, 2), (5, 4)])
def test_enough_of_the_first_system_ends_it_after_a_whole_round(enough, batches):
    work = Work()
    found = in_turns([work.system(1), work.system(9)], [1, 1, 1, 1], enough, clock=work.clock)
    assert (found.batches, found.seconds) == (batches, [batches, 9 * batches])


def test_a_short_turn_is_repeated_and_its_mean_counts():
    work = Work()
    found = in_turns([work.system(4), work.system(1.5)], [10, 20], 100, shortest=4, clock=work.clock)
    assert found == (2, [8, 3], [60, 60])
    assert work.calls.count((1.5, 10)) == 2 * 3
    assert work.calls.count((4, 10)) == 2
