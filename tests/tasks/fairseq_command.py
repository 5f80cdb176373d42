"""fairseq's command line tools in this process: a training takes tenths of a second instead of five seconds."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fairseq import checkpoint_utils
from fairseq_cli import hydra_train, preprocess, train, validate

import nmt_prune
import nmt_prune.models.masked_transformer
import nmt_prune.models.shrunk_transformer
import nmt_prune.tasks.translation_pruning
from tests.composing import compose_once

USER_DIR = Path(nmt_prune.__file__).parent
compose_once()


class Records(logging.Handler):
    """Collects what fairseq logs."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append((record.name, record.getMessage()))


def run(command: Callable[[], None], *arguments: Any) -> list[tuple[str, str]]:
    """Runs the ``cli_main`` of a fairseq command.

    Returns:
        The log: pairs of logger and message.
    """
    words = [command.__module__, *map(str, arguments)]
    if command not in (preprocess.cli_main, hydra_train.cli_main):
        # A worker would be a fork of the tests, for whose end torch waits five seconds; the last one given counts.
        words[1:1] = ["--num-workers", "0"]
    # What fairseq keeps from one training to the next in the same process.
    for function in (checkpoint_utils.save_checkpoint, train.should_stop_early):
        vars(function).clear()
    handler, root = Records(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        with pytest.MonkeyPatch.context() as patch:
            # It removes every other handler of the root logger, whosever they are.
            patch.setattr(validate, "reset_logging", lambda: None)
            patch.setattr(sys, "argv", words)
            command()
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
    return handler.records
