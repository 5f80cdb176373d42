"""Which engine runs a model."""

import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

from nmt_prune.errors import PruneError
from nmt_prune.runtime.settings.search_options import AligningEngine
from nmt_prune.storage.model.compact_model import CompactModel

EngineKind = Literal["auto", "compiled", "torch"]
_REMEDY = "install a C++ compiler, then nmt-prune anew"


def make_engine(model: CompactModel, kind: str = "auto") -> AligningEngine:
    """Builds an engine.

    Args:
        model: what it runs.
        kind: ``compiled``, ``torch``, or ``auto``: the compiled one where it was built, else torch, with a warning.

    Raises:
        PruneError: there is no such engine, or the compiled one was not built and torch is not there to replace it.
    """
    if kind not in ("auto", "compiled", "torch"):
        raise PruneError(f"engine {kind} is unknown; choose auto, compiled or torch")
    if kind != "torch":
        try:
            # Neither mentioned nor loaded where it was not built.
            compiled = import_module("nmt_prune.runtime.compiled")
        except ImportError as error:
            if kind == "compiled" or find_spec("torch") is None:
                raise PruneError(f"the compiled engine was not built ({error}); {_REMEDY}") from None
            warnings.warn(
                f"the compiled engine was not built: translating with torch, which is slower; {_REMEDY}",
                RuntimeWarning,
                stacklevel=2,
            )
        else:
            engine: AligningEngine = compiled.CompiledEngine(model)
            return engine
    from nmt_prune.runtime.torch_engine.engine import TorchEngine

    return TorchEngine(model)
