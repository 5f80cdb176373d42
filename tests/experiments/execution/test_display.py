import io

from rich.console import Console
from rich.live import Live

from nmt_prune.experiments.execution.display import Bars, Lines
from nmt_prune.experiments.execution.progress import Running, Snapshot


def snapshot(laboratory, done: int) -> Snapshot:
    run = laboratory.plan().run("slt-50-seed1")
    running = [Running(run, done, 12.34)]
    return Snapshot(trained=3, to_train=5, scored=2, to_score=5, running=running, elapsed=60.0, left=90.0)


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
    assert "7/20 updates, BLEU 12.3" in shown
