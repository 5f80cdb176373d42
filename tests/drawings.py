"""What stands in a figure that was written."""

import re
from html import unescape
from pathlib import Path

from matplotlib.image import imread


def texts(svg: Path) -> set[str]:
    """All texts of an SVG: matplotlib draws their outlines, and notes the words beside them."""
    return {unescape(text) for text in re.findall(r"<!-- (.*?) -->", svg.read_text(encoding="utf-8"), re.DOTALL)}


def texts_of_both(figure: Path) -> set[str]:
    """The texts of ``figure.svg``, beside which there is ``figure.png``, an image that is not blank."""
    assert imread(figure.with_suffix(".png")).std() > 0
    return texts(figure.with_suffix(".svg"))
