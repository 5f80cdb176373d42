"""The figure of survivors: which heads or units of which layer how many masks keep."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.files import atomic_path
from nmt_prune.masks.prunable import Prunable

# Beyond this nobody sees a single cell.
_MOST_COLUMNS = 4096
_STYLE: Any = {"svg.hashsalt": "nmt-prune", "font.size": 8}


def draw_survivors(counts: Mapping[Prunable, Tensor], masks: int, path: Path) -> None:
    """Draws one row per sublayer and one panel per stack and kind; the darker a cell, the more masks keep the group.

    Args:
        counts: how many masks keep each group, by family of shape (1, groups).
        masks: how many masks there are.
        path: file to write; the suffix decides the format (png, svg).

    Raises:
        PruneError: families are no rows of groups, or the suffix is another.
    """
    if path.suffix not in (".png", ".svg"):
        raise PruneError(f"--heat-map {path}: the suffix decides the format; use .png or .svg")
    panels: dict[tuple[str, str], dict[int, Tensor]] = {}
    for family, count in counts.items():
        if family.layer is None or count.shape[0] != 1 or count.shape[1] > _MOST_COLUMNS:
            raise PruneError(f"--heat-map shows heads or units of layers, not {family.name} {family.shape}")
        panels.setdefault((family.stack, family.block), {})[family.layer] = count[0]
    with matplotlib.rc_context(_STYLE):
        figure = _draw(panels, masks)
        with atomic_path(path) as temporary:
            kind = path.suffix[1:]
            figure.savefig(temporary, format=kind, dpi=200, metadata={"Date": None} if kind == "svg" else None)


def _draw(panels: Mapping[tuple[str, str], Mapping[int, Tensor]], masks: int) -> Figure:
    figure = Figure(figsize=(1.2 + 2.6 * len(panels), 2.6), layout="constrained")
    for axes, ((stack, block), layers) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        width = max(len(count) for count in layers.values())
        cells = [[float("nan")] * width for _ in range(1 + max(layers))]
        for layer, count in layers.items():
            cells[layer][: len(count)] = count.tolist()
        image = axes.imshow(cells, aspect="auto", cmap="Blues", vmin=0, vmax=masks, interpolation="nearest")
        axes.set_title(f"{stack} {block}")
        axes.set_yticks(range(len(cells)), [str(layer + 1) for layer in range(len(cells))])
        axes.set_xlabel("head" if block != "ffn" else "unit")
    figure.axes[0].set_ylabel("layer")
    figure.colorbar(image, ax=figure.axes, label=f"kept by how many of {masks}", shrink=0.8)
    return figure
