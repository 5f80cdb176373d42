"""Numbers that are none."""

import inspect
import typing

import pytest
from typer.testing import CliRunner

from nmt_prune.cli import app
from nmt_prune.errors import PruneError

FLAGS = [
    (command.callback.__name__, parameter.name)
    for command in app.registered_commands
    for parameter in inspect.signature(command.callback).parameters.values()
    if float in (kind := typing.get_args(parameter.annotation)[0], *typing.get_args(kind))
]
NEEDED = {
    "data": ["plain"],
    "distill": ["--teacher", "c.pt", "--data", "d", "--out", "o"],
    "mask": ["c.pt", "--out", "o", "--sparsity", "0.5"],
    "ticket": ["--mask-from", "c.pt", "--out", "o"],
    "search": ["c.pt", "--data", "d", "--out", "o"],
    "average": ["c.pt", "--out", "o"],
    "score": ["--checkpoint", "c.pt", "--data", "d"],
    "translate": ["m.nmt"],
    "run": [__file__],
    "prune": ["c.pt", "--data", "d", "--out", "o"],
}


@pytest.mark.parametrize(("command", "name"), FLAGS)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_nan_and_inf_are_one_line(command, name, value):
    flag = "--" + name.replace("_", "-")
    result = CliRunner().invoke(app, [command, *NEEDED[command], f"{flag}={value}"])
    if result.exit_code == 2:  # out of the range that the option states
        assert "Input should be greater" in result.output
    else:
        assert isinstance(result.exception, PruneError)
        assert str(result.exception) == f"{flag} {value} is no finite number"


def test_there_are_such_flags():
    assert {("translate", "max_len_a"), ("mask", "sparsity"), ("data", "max_ratio")} <= set(FLAGS)
