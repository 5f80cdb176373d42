"""A training that is asked to stop saves, ends with status 75, and goes on to the same result."""

import os
import signal
from collections.abc import Callable
from unittest.mock import MagicMock

import pytest
from fairseq.trainer import Trainer

from nmt_prune.processes import STOPPED
from nmt_prune.tasks import stopping
from tests.tasks.training import Training, assert_same, train

pytestmark = pytest.mark.slow

# With validations, of which a stop must add none: each could choose another best checkpoint.
# Several epochs, each of other mini-batches.
FLAGS = (
    "--schedule cubic:interval=2,end=6 --sparsity 0.8 --save-interval-updates 5 --keep-interval-updates 1"
    " --max-tokens 800"
)
REQUESTS = [signal.SIGTERM, signal.SIGUSR1]


def asked_at(monkeypatch, run: Callable[[], object], at: int, request: signal.Signals) -> SystemExit:
    """Asks the training that ``run`` starts to stop, in the middle of an update."""
    train_step = Trainer.train_step

    def step(trainer: Trainer, *arguments: object) -> object:
        if trainer.get_num_updates() == at:
            os.kill(os.getpid(), request)
        return train_step(trainer, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", step)
        with pytest.raises(SystemExit) as caught:
            run()
    return caught.value


@pytest.fixture(autouse=True)
def _no_later_training_is_asked(monkeypatch):
    monkeypatch.setattr(stopping, "_asked", [])


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory) -> Training:
    return train(corpus, tmp_path_factory.mktemp("whole"), FLAGS, without="--disable-validation")


@pytest.mark.parametrize("request_", REQUESTS)
def test_it_goes_on_where_it_was(run_training, whole, monkeypatch, request_):
    before = {one: signal.getsignal(one) for one in REQUESTS}

    def run():
        return run_training("parts", FLAGS, without="--disable-validation")

    for at in (2, 6, 9):
        assert asked_at(monkeypatch, run, at, request_).code == STOPPED
        assert signal.getsignal(request_) == signal.SIG_IGN  # it has saved: asked once more, it must not die of it
        for one, handler in before.items():
            signal.signal(one, handler)
    parts = run()
    # Asked in update 10, which is validated, it has stopped after 11.
    assert [line["num_updates"] for line in parts.progress()] == [12]
    assert {one: signal.getsignal(one) for one in REQUESTS} == before
    assert_same(whole.state()["model"], parts.state()["model"])
    assert_same(whole.state("checkpoint_best")["model"], parts.state("checkpoint_best")["model"])
    assert parts.state()["extra_state"]["best"] == whole.state()["extra_state"]["best"]


def test_the_last_update_ends_the_training_as_ever(run_training, whole, monkeypatch):
    train_step = Trainer.train_step

    def step(trainer: Trainer, *arguments: object) -> object:
        if trainer.get_num_updates() == 11:
            os.kill(os.getpid(), signal.SIGUSR1)
        return train_step(trainer, *arguments)

    monkeypatch.setattr(Trainer, "train_step", step)
    done = run_training("done", FLAGS, without="--disable-validation")
    assert_same(whole.state()["model"], done.state()["model"])


def test_none_of_several_processes_ends_before_all_is_saved(monkeypatch):
    """torch would end the one that saves, too."""
    done = []
    monkeypatch.setattr(stopping, "_is_asked", lambda trainer: True)
    monkeypatch.setattr(stopping.checkpoint_utils, "save_checkpoint", lambda *_: done.append("saved"))
    monkeypatch.setattr(stopping, "wait_for_master", lambda: done.append("waited"))
    step = stopping._stopping(lambda *_: ([None], False))
    with pytest.raises(SystemExit):
        step(MagicMock(), MagicMock(), None, None, None, False)
    assert done == ["saved", "waited"]
