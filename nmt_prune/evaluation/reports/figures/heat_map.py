"""Heat maps: of survivors, which heads or units of which layer how many masks keep; and of a transfer matrix."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.reports.figures.style import write
from nmt_prune.evaluation.reports.tables.transfer import TransferMatrix
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
        write(figure, [path])


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


def draw_transfer(matrix: TransferMatrix, paths: Sequence[Path]) -> None:
    """Draws the matrix: colour is the difference to the target's dense model, a frame says within one s.d. of it.

    Args:
        matrix: what to draw.
        paths: files to write; the suffix decides the format (png, svg).
    """
    with matplotlib.rc_context(_STYLE):
        write(transfer_figure(matrix), paths)


def transfer_figure(matrix: TransferMatrix) -> Figure:
    """The figure, not yet written anywhere."""
    figure = Figure(figsize=(2.6 + 1.2 * len(matrix.sources), 1.4 + 0.5 * len(matrix.rows)), layout="constrained")
    axes = figure.add_subplot()
    deltas = [[matrix.delta(row, target) for target in matrix.sources] for row in matrix.rows]
    shades = [[float("nan") if delta is None else delta for delta in line] for line in deltas]
    known = [delta for line in deltas for delta in line if delta is not None]
    lowest, highest = min([*known, -0.1]), max([*known, 0.0])
    middle = (lowest + highest) / 2
    image = axes.imshow(shades, aspect="auto", cmap="Blues", vmin=lowest, vmax=highest)
    for place, row in enumerate(matrix.rows):
        for column, target in enumerate(matrix.sources):
            if (row, target) in matrix.cells:
                _draw_cell(axes, matrix, (row, place), (target, column), shades[place][column] > middle)
    axes.axhline(len(matrix.sources) - 0.5, color="black", lw=0.8)
    axes.set_yticks(range(len(matrix.rows)), list(matrix.rows.values()))
    dense = [f"{target}\ndense {matrix.dense[target].bleu:.1f}" for target in matrix.sources if target in matrix.dense]
    axes.set_xticks(range(len(matrix.sources)), dense if len(dense) == len(matrix.sources) else list(matrix.sources))
    axes.tick_params(length=0)
    axes.set_title(f"{matrix.name}: BLEU on target, sparsity {100 * matrix.sparsity:g} %", loc="left")
    figure.colorbar(image, ax=axes, label="difference to the dense model", shrink=0.9)
    figure.supxlabel("frame: within one standard deviation of the dense model over seeds, or better", fontsize=6.5)
    return figure


def _draw_cell(
    axes: Axes, matrix: TransferMatrix, row: tuple[str, int], target: tuple[str, int], is_dark: bool
) -> None:
    (name, y), (on, x) = row, target
    colour = "white" if is_dark else "black"
    axes.text(x, y, f"{matrix.cells[name, on].bleu:.1f}", ha="center", va="center", color=colour)
    if matrix.is_within(name, on):
        axes.add_patch(Rectangle((x - 0.44, y - 0.42), 0.88, 0.84, fill=False, ec="#D55E00", lw=2))
