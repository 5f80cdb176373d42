import io

from rich.console import Console
from rich.live import Live

from nmt_prune.experiments.execution.display import Bars, Lines
from nmt_prune.experiments.execution.progress import Snapshot
from nmt_prune.experiments.execution.states import RunState
from nmt_prune.experiments.execution.training_log import LogState


def snapshot(laboratory, done: int) -> Snapshot:
    dense, mp_50, mp_80, slt_50, slt_80 = sorted(laboratory.plan().runs, key=lambda run: run.name)
    states = [
        RunState(dense, "done", 20, is_trained=True),
        RunState(mp_50, "done", 20, is_trained=True),
        RunState(mp_80, "to score", 20, is_trained=True),
        RunState(slt_50, "running", done, LogState(done, 12.34)),
        RunState(slt_80, "waiting"),
    ]
    return Snapshot(states, elapsed=60.0, left=90.0)


def test_lines_come_at_most_every_fifteen_seconds(laboratory, monkeypatch):
    times = iter([100.0, 110.0, 115.0])
    monkeypatch.setattr("nmt_prune.pace.time.monotonic", lambda: next(times))
    console = Console(file=io.StringIO(), width=40)
    lines = Lines(console)
    for done in (1, 2, 3):
        lines.show(snapshot(laboratory, done))
    assert console.file.getvalue().splitlines() == [
        "[0:01:00] 3/5 trained, 2/5 scored · slt-50-seed1 1/20 BLEU 12.3 · about 0:01:30 left",
        "[0:01:00] 3/5 trained, 2/5 scored · slt-50-seed1 3/20 BLEU 12.3 · about 0:01:30 left",
    ]


def test_bars_show_the_experiment_and_each_training(laboratory):
    console = Console(file=io.StringIO(), force_terminal=True, width=160, color_system=None)
    with Live(console=console, auto_refresh=False) as live:
        Bars(console, live).show(snapshot(laboratory, 7))
    shown = console.file.getvalue()
    assert "3/5 trained, 2/5 scored, 0:01:00 elapsed, about 0:01:30 left" in shown
    assert "slt-50-seed1" in shown
    assert "7/20 BLEU 12.3" in shown
