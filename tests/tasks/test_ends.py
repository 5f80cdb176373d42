"""However a training ends, its mask is final and its rewind points are there, or its status says that they are not."""

import logging
import subprocess
import sys
import threading
from itertools import repeat

import pytest
import torch
from fairseq.data.iterators import BackgroundConsumer, BufferedIterator

from nmt_prune.tasks import ending
from tests.tasks.training import Training

pytestmark = pytest.mark.slow

GROWING = "--schedule cubic:interval=2,end=10 --sparsity 0.8"
BLEU = (
    "--eval-bleu --best-checkpoint-metric bleu --maximize-best-checkpoint-metric --eval-bleu-args"
    ' {"beam":1,"max_len_b":8} --validate-interval-updates 2'
)
VALIDATED = {"without": "--disable-validation"}
EARLY_ENDS = {
    "--max-epoch 1 --max-update 100 --schedule cubic:interval=2,end=90 --sparsity 0.8": r"with sparsity 0\.\d+, before",
    f"--stop-time-hours 1e-9 {GROWING}": "training ended at update 1 with sparsity 0, before the mask is final",
    f"--stop-min-lr 1 {GROWING}": "training ended at update 0 with sparsity 0, before the mask is final",
}
# A training that ends while a thread of fairseq's is within torch, to which Python's end is fatal.
READING_AHEAD = """
import sys, torch
from fairseq.data.iterators import BufferedIterator
from nmt_prune.tasks import ending
class Endless(list):
    def __iter__(self):
        matrix = torch.ones(600, 600)
        while True:
            yield matrix @ matrix
next(BufferedIterator(10**6, Endless([0] * 10**6)))
sys.exit(3)
"""


def sparsity(training: Training) -> float:
    return training.progress()[-1]["sparsity"]


@pytest.mark.parametrize("flags", EARLY_ENDS)
def test_before_the_mask_is_final(run_training, flags):
    with pytest.raises(SystemExit, match=EARLY_ENDS[flags]) as stopped:
        run_training("early", flags)
    assert "\n" not in str(stopped.value)


def test_what_ended_early_goes_on(run_training, tmp_path):
    flags = "--max-update 12 --schedule cubic:interval=2,end=10 --sparsity 0.8"
    with pytest.raises(SystemExit, match=r"the mask is final.* is kept"):
        run_training("run", flags, "--stop-time-hours 1e-9")
    assert (tmp_path / "run" / "checkpoint_last.pt").exists()
    training = run_training("run", flags)
    assert training.progress()[0]["num_updates"] == 2
    assert sparsity(training) == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize("metric", [BLEU, "--validate-interval-updates 2"], ids=["BLEU", "loss"])
def test_patience_begins_when_the_mask_is_final(run_training, metric):
    """Without a learning rate nothing ever gets better: BLEU stays, and the loss rises with every mask change."""
    flags = f"--max-update 40 --lr 1e-9 --patience 2 {GROWING}"
    training = run_training("run", metric, flags, **VALIDATED)
    assert sparsity(training) == pytest.approx(0.8, abs=1e-3)
    assert 10 < training.progress()[-1]["num_updates"] < 40
    assert training.said("early stop since valid performance")


def test_the_best_by_loss_is_no_denser_one(run_training):
    training = run_training("run", f"--validate-interval-updates 2 --lr 1e-9 {GROWING}", **VALIDATED)
    losses = {line["valid_num_updates"]: line["valid_loss"] for line in training.progress("valid")}
    assert min(losses, key=losses.__getitem__) < 10  # so without a memory that is wiped it would be one
    best = training.state("checkpoint_best")
    assert best["optimizer_history"][-1]["num_updates"] >= 10
    assert training.masks("checkpoint_best").keys() == training.masks().keys()


def test_a_resumed_training_knows_that_its_best_was_denser(run_training, tmp_path):
    flags = f"--validate-interval-updates 4 --save-interval-updates 9 --lr 1e-9 {GROWING}"
    run_training("run", flags, **VALIDATED)
    folder = tmp_path / "run"
    (folder / "checkpoint_1_9.pt").replace(folder / "checkpoint_last.pt")
    (folder / "checkpoint_best.pt").unlink()
    resumed = run_training("run", flags, **VALIDATED)
    assert resumed.state("checkpoint_best")["optimizer_history"][-1]["num_updates"] == 12


def test_a_quiet_log_does_not_hide_the_end(run_training):
    with pytest.raises(SystemExit, match="before the mask is final"):
        run_training("run", f"--stop-time-hours 1e-9 {GROWING} --log-format none")


def test_a_log_that_turns_louder_is_heard(monkeypatch, caplog):
    log = logging.getLogger("fairseq_cli.train")
    monkeypatch.setattr(log, "filters", [])
    monkeypatch.setattr(log, "level", logging.NOTSET)
    with caplog.at_level(logging.WARNING):
        ending.call_at_the_end(lambda: None)
        log.info("quiet")
    with caplog.at_level(logging.INFO):
        log.info("loud")
    assert caplog.messages == ["loud"]


def test_a_rewind_point_that_was_never_written(run_training):
    with pytest.raises(SystemExit, match=r"ended at update 1, so that rewind_3\.pt was never written"):
        run_training("run", "--stop-time-hours 1e-9 --rewind-points 0,3")


@pytest.mark.parametrize("places", [1, 1000], ids=["waits for a place", "collates"])
def test_nobody_reads_ahead_any_longer(places):
    class Endless:
        def __len__(self):
            return 10**9

        def __iter__(self):
            return (torch.ones(2) + 1 for _ in repeat(0))

    iterator = BufferedIterator(places, Endless())
    next(iterator)
    assert iterator._consumer.is_alive()
    ending.stop_reading_ahead()
    assert not any(isinstance(thread, BackgroundConsumer) for thread in threading.enumerate())


def test_reading_ahead_does_not_change_the_status():
    done = subprocess.run([sys.executable, "-c", READING_AHEAD], capture_output=True, text=True)
    assert (done.returncode, "terminate" in done.stderr) == (3, False), done.stderr[-1000:]
