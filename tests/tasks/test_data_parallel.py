"""Two data-parallel processes hold the same masks and weights, bit for bit."""

from pathlib import Path

import pytest
import torch

from tests import programs
from tests.devices import cpu_or_gpu
from tests.ports import free_ports
from tests.tasks.training import MASK, Training, arguments, assert_same, load

pytestmark = pytest.mark.slow

GLOO = "--distributed-backend gloo --ddp-backend legacy_ddp --distributed-world-size 2 --distributed-no-spawn"


def train_on_two(corpus: Path, folder: Path, *flags: object, delay: float = 0.0, device: str = "cpu") -> list[dict]:
    """Trains with two processes, the second of them late, and returns the state of each.

    With ``device`` cuda each has a GPU of its own if there are two, and NCCL; else they share the one.
    """
    gpus = torch.cuda.device_count() if device == "cuda" else 0
    backend = GLOO.replace("gloo", "nccl") if gpus > 1 else GLOO
    method = f"--distributed-init-method tcp://127.0.0.1:{free_ports(1)[0]}"
    processes, logs = [], [folder / f"{rank}.log" for rank in range(2)]
    for rank, log in enumerate(logs):
        own = [method, f"--distributed-rank {rank}", *([f"--device-id {rank % gpus}"] if gpus else [])]
        words = arguments(corpus, folder / "run", *flags, backend, *own, without="--cpu" if gpus else "")
        processes.append(programs.start("tests.tasks.worker", [folder / f"{rank}.pt", rank * delay, *words], log))
    try:
        for process in processes:
            process.join(timeout=120)
    finally:
        for process in processes:
            process.kill()
            process.join()
    assert [process.exitcode for process in processes] == [0, 0], "".join(log.read_text()[-2000:] for log in logs)
    return [load(folder / f"{rank}.pt") for rank in range(2)]


def assert_equal_workers(states: list[dict], folder: Path, sparsity: float) -> None:
    first, *others = states
    masks = {key: mask for key, mask in first["model"].items() if key.startswith(MASK)}
    assert len(masks) == 17
    for other in others:
        assert_same(first["model"], other["model"])
        for pair in zip(*(state["optimizer"]["state"].values() for state in (first, other)), strict=True):
            assert_same(*({key: moments[key] for key in ("exp_avg", "exp_avg_sq")} for moments in pair))
    saved = Training(folder / "run", [])
    assert_same(saved.state()["model"], first["model"])
    kept = sum(int(mask.sum()) for mask in masks.values())
    size = sum(mask.numel() for mask in masks.values())
    assert 1 - (kept - 16) / (size - 16) == pytest.approx(sparsity, abs=1e-3)  # 16: the padding row
    assert not any(saved.weights()[key][~mask].any() for key, mask in saved.masks().items())


@cpu_or_gpu
def test_a_growing_mask(corpus, tmp_path, device):
    flags = "--schedule cubic:interval=2 --sparsity 0.8 --max-update 10"
    states = train_on_two(corpus, tmp_path, flags, device=device)
    assert_equal_workers(states, tmp_path, 0.8)


def test_a_ticket_with_a_late_worker(corpus, dense, tmp_path):
    """The second process looks at the save folder when the first has long been able to write the ticket into it."""
    files = ("--mask-from", dense.folder / "checkpoint_last.pt", "--rewind-from", dense.folder / "rewind_4.pt")
    states = train_on_two(corpus, tmp_path, *files, "--sparsity 0.5 --reset rewind --max-update 5", delay=3)
    assert_equal_workers(states, tmp_path, 0.5)
