from dataclasses import replace
from pathlib import Path

import pytest

from nmt_prune.evaluation.quality.translation import error_line
from nmt_prune.experiments.execution import training_log
from nmt_prune.experiments.execution.training_log import LogState, dying_words, last_error, read_state

# Lines of fairseq 0.12.3.
LOG = """\
2026-11-21 07:00:00 | INFO | fairseq.trainer | No existing checkpoint found runs/x/checkpoint_last.pt
2026-11-21 07:00:01 | INFO | train_inner | epoch 001:     20 / 99 loss=10.0, ppl=900, wps=1e3, num_updates=20, lr=0.1
2026-11-21 07:00:02 | INFO | train_inner | epoch 001:     40 / 99 loss=9.0, wps=900.5, ups=2.5, num_updates=40, lr=0.1
2026-11-21 07:00:03 | INFO | valid | epoch 001 | valid on 'valid' subset | loss 8.5 | bleu 1.25 | num_updates 40
"""
LATER = """\
2026-11-21 07:00:04 | INFO | train_inner | epoch 001:     60 / 99 loss=8.0, wps=40, ups=0, num_updates=60, lr=0.1
2026-11-21 07:00:05 | INFO | valid | epoch 001 | valid on 'valid' subset | bleu 3.5 | num_updates 60 | best_bleu 4.75
"""
RESUMED = (
    "2026-11-21 08:00:00 | INFO | fairseq.trainer | Loaded checkpoint x/checkpoint_last.pt (epoch 1 @ 40 updates)\n"
)


def numbers(log: Path) -> LogState:
    """The state without the last line."""
    return replace(read_state(log), last_line="")


def test_the_last_update_and_the_last_bleu_count(tmp_path):
    log = tmp_path / "train.log"
    assert numbers(log) == LogState(None, None)
    log.write_text(LOG.split("\n", 1)[0])
    assert numbers(log) == LogState(None, None)
    log.write_text(LOG)
    assert numbers(log) == LogState(40, 1.25, 2.5, 900.5)
    log.write_text(LOG + LATER)
    assert numbers(log) == LogState(60, 3.5, None, 40)  # 0 updates a second were rounded
    log.write_text(LOG + LATER + RESUMED)
    assert numbers(log) == LogState(40, 3.5, None, 40)
    assert read_state(log).last_line == RESUMED.strip()


def test_only_the_end_of_a_long_log_is_read(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("num_updates=1, ups=9\n" + "x" * 100_000 + "\n" + LATER)
    assert numbers(log) == LogState(60, 3.5, None, 40)


def test_a_log_is_read_again_only_when_something_was_added(tmp_path, monkeypatch):
    log = tmp_path / "train.log"
    log.write_text("num_updates=20\n")
    first = read_state(log)
    assert numbers(log) == LogState(20)
    with monkeypatch.context() as patch:
        patch.setattr(training_log, "read_tail", lambda log: pytest.fail("read again"))
        assert read_state(log) == first
    with log.open("a") as file:
        file.write("num_updates=40\n")
    assert numbers(log) == LogState(40)


def test_the_last_error_of_this_attempt(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("ValueError: old\n")
    start = log.stat().st_size
    assert last_error(log, start) == "it wrote nothing"
    with log.open("a") as file:
        file.write("fine\nstill fine\n\n")
    assert last_error(log, start) == "still fine"
    with log.open("a") as file:
        file.write("Traceback:\nRuntimeError: new\nterminating\n")
    assert last_error(log, start) == "RuntimeError: new"


def test_a_line_that_announces_the_reason_comes_with_it(tmp_path):
    log = tmp_path / "train.log"
    log.write_text(
        'RuntimeError: Error(s) in loading state_dict for MaskedTransformer:\n\tUnexpected key(s): "decoder.more"\n'
    )
    expected = 'RuntimeError: Error(s) in loading state_dict for MaskedTransformer: Unexpected key(s): "decoder.more"'
    assert last_error(log) == expected
    assert error_line(log.read_text()) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ["OSError: [Errno 28] No space left on device: 'a.pt'", "", "RuntimeError: unexpected pos 64"],
            "OSError: [Errno 28] No space left on device: 'a.pt'; free some space",
        ),
        (
            ["OSError: [Errno 122] Disk quota exceeded", "AssertionError: Failed to copy a.pt to b.pt"],
            "OSError: [Errno 122] Disk quota exceeded; free some space",
        ),
        (
            ["KeyError: 1", "The above exception was the direct cause of the following exception:", "x"],
            "KeyError: 1",
        ),
    ],
)
def test_the_error_is_the_cause(tmp_path, lines, expected):
    (tmp_path / "log").write_text("\n".join(lines))
    assert last_error(tmp_path / "log") == expected


def test_a_log_that_ends_with_an_error(tmp_path):
    log = tmp_path / "train.log"
    assert dying_words(log) is None
    log.write_text("Traceback (most recent call last):\n  File x\nRuntimeError: loss is NaN\n\n")
    assert dying_words(log) == "RuntimeError: loss is NaN"
    with log.open("a") as file:
        file.write(RESUMED)
    assert dying_words(log) is None
    log.write_text("Traceback (most recent call last):\n  File x\nKeyboardInterrupt\n")  # Ctrl-C is no failure
    assert dying_words(log) is None
    log.write_text(
        "Traceback (most recent call last):\ntorch...ProcessExitedException: process 1 ended with exit code 75\n"
    )
    assert dying_words(log) is None  # asked to stop, it has saved
    log.write_text("2026-11-21 07:00:00 | INFO | fairseq.trainer | an error of 0.1 cannot be seen\n")
    assert dying_words(log) is None
