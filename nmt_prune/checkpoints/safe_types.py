"""The types of which a fairseq checkpoint consists: no others are read."""

import argparse
import sys
from collections import OrderedDict, defaultdict
from typing import Any

import numpy as np
import torch


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
            *_meters(),
        ]
    )


class _Meter:
    """Stands in for a fairseq meter, which older checkpoints hold: what it counted is of no use here."""


def _meters() -> list[Any]:
    """The meters of fairseq by the names under which they have been pickled; itself only where it is loaded anyway."""
    loaded = sys.modules.get("fairseq.logging.meters")
    kinds = {
        kind: getattr(loaded, kind, _Meter) for kind in ("AverageMeter", "TimeMeter", "StopwatchMeter", "SumMeter")
    }
    return [
        (found, f"{home}.{kind}")
        for home in ("fairseq.meters", "fairseq.logging.meters")
        for kind, found in kinds.items()
    ]
