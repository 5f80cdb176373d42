"""What is checked before a recipe is run: many command lines, of which most differ in their pruning alone."""

import io
import json
import sys
from pathlib import Path

import pytest
from fairseq import options

from nmt_prune.tasks import preflight
from tests.tasks.training import arguments

CONVERT = preflight.convert_namespace_to_omegaconf


def command(*flags: str) -> list[str]:
    return arguments(Path("data-bin"), Path("checkpoints"), *flags)


def test_own_flags_are_read_as_by_fairseq():
    one, other = (
        options.parse_args_and_arch(options.get_training_parser(), command(flags))
        for flags in (
            "--sparsity 0.6 --saliency row-scaled:power=1 --extension a.py --extension b.py",
            "--sparsity 0.5 --schedule cubic:end=8,interval=2 --budget matrix:embedding=2 --rewind-points 0,4",
        )
    )
    found = preflight._with_own_flags(CONVERT(one).task, other)
    assert found == CONVERT(other).task


def test_every_command_line_is_judged_and_similar_ones_are_converted_once(monkeypatch):
    converted = []
    monkeypatch.setattr(
        preflight, "convert_namespace_to_omegaconf", lambda args: converted.append(args) or CONVERT(args)
    )

    def judge(*commands: list[str]) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(commands)))
        preflight.main()

    pruned = "--sparsity 0.5 --saliency"
    judge(command(), command(f"{pruned} random"), command("--lr 0.3"), command(f"{pruned} magnitude"))
    assert len(converted) == 2
    with pytest.raises(SystemExit, match="unknown saliency 'randm'"):
        judge(command(), command(f"{pruned} random"), command(f"{pruned} randm"))
