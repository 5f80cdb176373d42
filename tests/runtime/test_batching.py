from nmt_prune.runtime.batching import BatchSize, batches


def test_the_longest_come_first_and_equals_in_order():
    assert batches([2, 9, 2, 5, 9], BatchSize(2)) == [[1, 4], [3, 0], [2]]


def test_tokens_are_counted_with_padding():
    # 9 + 9 would be 18; 9 and 5 are 18 with padding, too.
    assert batches([5, 9, 5, 5, 2], BatchSize(None, 17)) == [[1], [0, 2, 3], [4]]
    assert batches([5, 9, 5, 5, 2], BatchSize(None, 18)) == [[1, 0], [2, 3, 4]]


def test_both_limits_hold():
    assert batches([5, 5, 5, 1], BatchSize(2, 100)) == [[0, 1], [2, 3]]
    assert batches([5, 5, 5, 1], BatchSize(3, 10)) == [[0, 1], [2, 3]]


def test_a_sentence_longer_than_a_batch_is_one():
    assert batches([50, 3], BatchSize(None, 10)) == [[0], [1]]


def test_none():
    assert batches([], BatchSize()) == []
