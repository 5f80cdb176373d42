"""What stands in for Hydra in the tests gives what Hydra gives."""

from pathlib import Path

import pytest
from fairseq import options
from fairseq.dataclass import utils

from tests import composing
from tests.tasks.training import arguments


@pytest.mark.parametrize(
    "flags",
    [
        "--sparsity 0.6 --saliency row-scaled:power=1 --rewind-points 1,2 --lr 0.3,0.2",
        "--task translation --arch transformer_tiny --optimizer sgd --keep-best-checkpoints 3 --eval-bleu-args {}",
    ],
)
def test_the_same_configuration(monkeypatch, flags):
    words = arguments(Path("data-bin"), Path("checkpoints"), flags)
    read = options.parse_args_and_arch(options.get_training_parser(), words)
    composed = [utils.convert_namespace_to_omegaconf(read) for _ in range(2)]
    monkeypatch.setattr(utils, "compose", composing.COMPOSE)
    monkeypatch.setattr(utils, "initialize", composing.INITIALIZE)
    hydras = utils.convert_namespace_to_omegaconf(read)
    for one in composed:
        assert one == hydras
        assert list(one.items()) == list(hydras.items())
        assert one._get_flag("struct") == hydras._get_flag("struct")


def test_what_was_composed_before_does_not_matter(monkeypatch):
    """A command begins with the configuration of one before it, and changes what is different."""
    monkeypatch.setattr(composing, "_known_flags", {})
    read = []
    for flags in ("--mask-from masks.pt", "--sparsity 0.6", "--sparsity 0.3 --lr 0.2", "--mask-from other.pt"):
        words = arguments(Path("data-bin"), Path("checkpoints"), flags)
        read.append(options.parse_args_and_arch(options.get_training_parser(), words))
    composed = [utils.convert_namespace_to_omegaconf(args) for args in read]
    assert len(composing._known_flags) == 1
    monkeypatch.setattr(utils, "compose", composing.COMPOSE)
    monkeypatch.setattr(utils, "initialize", composing.INITIALIZE)
    assert composed == [utils.convert_namespace_to_omegaconf(args) for args in read]
