"""The types of which a fairseq checkpoint consists: no others are read."""

import argparse
import sys
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

_ONE_AT_A_TIME = threading.RLock()
_METERS = ("AverageMeter", "TimeMeter", "StopwatchMeter", "SumMeter")


def allow_checkpoint_types() -> None:
    """Lets ``torch.load`` read what a fairseq checkpoint consists of, and nothing more, with ``weights_only``.

    From torch 2.6 on torch.load refuses every type that is not listed, and fairseq loads its checkpoints without
    saying otherwise, so generation and resuming fail. The types here only hold data.
    """
    from omegaconf import base, dictconfig, listconfig, nodes

    dtypes = {type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "u8", "?")}
    reconstruct: Any = np.empty(0).__reduce__()[0]
    scalar: Any = np.float64(0).__reduce__()[0]
    torch.serialization.add_safe_globals(
        [
            argparse.Namespace,
            reconstruct,
            scalar,
            # Old NumPy wrote another module name for the same functions.
            (reconstruct, "numpy.core.multiarray._reconstruct"),
            (scalar, "numpy.core.multiarray.scalar"),
            np.ndarray,
            np.dtype,
            *dtypes,
            # Before 2021 fairseq pickled its configuration as OmegaConf objects.
            dictconfig.DictConfig,
            listconfig.ListConfig,
            nodes.AnyNode,
            base.ContainerMetadata,
            base.Metadata,
            Any,
            defaultdict,
            dict,
            list,
            int,
            OrderedDict,
            *_loaded_meters(),
        ]
    )


@contextmanager
def reading() -> Iterator[None]:
    """Lets it read them, and where fairseq is not loaded, while this lasts, something in place of its meters.

    What stands in for them must go again: torch knows one class by each name, and fairseq reads its own. What torch
    knows holds for all threads, so these wait for each other.
    """
    with _ONE_AT_A_TIME:
        allow_checkpoint_types()
        stand_ins = [] if _loaded_meters() else _named(dict.fromkeys(_METERS, _Meter))
        with torch.serialization.safe_globals(stand_ins):
            yield


class _Meter:
    """Stands in for a fairseq meter, which older checkpoints hold: what it counted is of no use here."""


def _loaded_meters() -> list[Any]:
    """The meters of fairseq itself, only where it is loaded anyway."""
    loaded = sys.modules.get("fairseq.logging.meters")
    return _named({kind: getattr(loaded, kind) for kind in _METERS}) if loaded else []


def _named(meters: dict[str, Any]) -> list[Any]:
    """Meters by the names under which they have been pickled."""
    homes = ("fairseq.meters", "fairseq.logging.meters")
    return [(meter, f"{home}.{kind}") for home in homes for kind, meter in meters.items()]
