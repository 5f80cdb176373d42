"""Another learning rate scheduler in place of a recipe's."""

from fairseq.registry import REGISTRIES

import nmt_prune.optimizers.cyclic_rewarm  # noqa: F401  (registers it)
from nmt_prune.experiments.recipe.lr_schedulers import OWN_FLAGS, replaced
from nmt_prune.measuring.own_flags import _parser_of

WITH_EVERY_ONE = {"lr"}


def test_the_flags_are_those_that_fairseq_knows():
    known = {
        name: {action.option_strings[0].lstrip("-").replace("-", "_") for action in _parser_of(kind)._actions}
        for name, kind in REGISTRIES["lr_scheduler"]["registry"].items()
    }
    assert {name: flags - WITH_EVERY_ONE for name, flags in known.items()} == OWN_FLAGS


def test_flags_of_the_scheduler_go_with_it():
    flags = {"lr": 0.1, "lr_scheduler": "polynomial_decay", "total_num_update": 9, "power": 2, "warmup_updates": 3}
    assert replaced(flags, {"lr_scheduler": "cosine"}) == {"lr": 0.1, "lr_scheduler": "cosine", "warmup_updates": 3}
    assert replaced(flags, {"lr": 0.2}) == {**flags, "lr": 0.2}


def test_a_scheduler_that_is_not_known_here_keeps_all():
    flags = {"lr_scheduler": "inverse_sqrt", "warmup_init_lr": 0.1}
    assert replaced(flags, {"lr_scheduler": "mine"}) == {"lr_scheduler": "mine", "warmup_init_lr": 0.1}
