"""Options of the commands whose settings are declared elsewhere."""

from collections.abc import Callable
from dataclasses import fields
from inspect import signature
from typing import Any

import pytest

from nmt_prune.cli.mask import mask
from nmt_prune.cli.search import search
from nmt_prune.cli.ticket import ticket
from nmt_prune.pruning.flags import PruningFlags
from nmt_prune.subnetworks.flags import SearchFlags

OF_TRAININGS = {"schedule", "max_update"}


@pytest.mark.parametrize(
    ("command", "declared", "others"),
    [
        (search, SearchFlags, set()),
        (ticket, PruningFlags, OF_TRAININGS),
        (mask, PruningFlags, OF_TRAININGS | {"mask_from", "rewind_from", "reset", "clock"}),
    ],
)
def test_a_command_has_each_declared_setting_with_its_default(command: Callable[..., Any], declared, others):
    options = signature(command).parameters
    for setting in fields(declared):
        if setting.name not in others:
            option = options[setting.name]
            assert option.default == setting.default or option.default is option.empty, setting.name
