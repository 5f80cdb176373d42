"""Whether figures can be drawn here."""

import importlib.util

from nmt_prune.errors import PruneError


def require_plots() -> None:
    """Checks it, before anything that a report will need.

    Raises:
        PruneError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise PruneError("matplotlib is not installed here; pip install 'nmt-prune[experiments]'")
