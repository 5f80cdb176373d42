"""Settings that do nothing in the combination in which they are given."""

from collections.abc import Collection

from nmt_prune.errors import PruneError
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.budgets.threshold import Threshold
from nmt_prune.pruning.settings import PruningSettings

_ABOUT_PRUNING = ("saliency", "budget", "mask_control", "schedule", "group", "prune_set")


def refuse_inert_settings(settings: PruningSettings, used: Collection[str] = ()) -> None:
    """Refuses settings that differ from their default and change nothing.

    Args:
        settings: the settings of a new training or of a tool.
        used: settings that serve something else than pruning, e.g. the groups of a penalty.

    Raises:
        PruneError: there is one; the message names its flag.
    """
    if not _prunes(settings):
        defaults = PruningSettings()
        for name in _ABOUT_PRUNING:
            value = getattr(settings, name)
            if name not in used and value != getattr(defaults, name):
                source = f" more than {settings.mask_from} has pruned" if settings.mask_from else ""
                raise PruneError(
                    f"--{name.replace('_', '-')} {value} does nothing here: no --sparsity asks for anything{source};"
                    f" add one, or leave --{name.replace('_', '-')} out"
                )
    if settings.calibration_batches != PruningSettings.calibration_batches and not settings.is_measured:
        raise PruneError(
            f"--calibration-batches {settings.calibration_batches} does nothing here: --saliency {settings.saliency} is"
            " not measured on data; leave it out"
        )
    needs_rewind_point = settings.build_reset().needs_rewind_point or settings.clock == "rewind"
    if settings.rewind_from and not settings.mask_is_file and not needs_rewind_point:
        raise PruneError(
            f"--rewind-from {settings.rewind_from} is used by neither --reset {settings.reset} nor --clock"
            f" {settings.clock}: give --reset rewind, or leave it out"
        )


def _prunes(settings: PruningSettings) -> bool:
    """Whether the settings ask for any weight to go."""
    return bool(settings.sparsity) or isinstance(budgets.build(settings.budget), Threshold)
