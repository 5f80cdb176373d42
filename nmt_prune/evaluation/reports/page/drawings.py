"""A figure as SVG within the page: in the page's colours, and its techniques can be picked."""

import re
from collections.abc import Iterator
from io import BytesIO
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup

from nmt_prune.evaluation.reports.figures.drawing import PAGE_STYLE, Drawing, technique_of
from nmt_prune.evaluation.reports.figures.style import COLOURS, GREY, GRID

INK = "#000000"
_NAMES = {INK: "ink", "#ffffff": "paper", GREY: "grey", GRID: "grid"}
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_REFERENCE = re.compile(r"^(?:url\()?#([^)]+)\)?$")
_SPACE = re.compile(r"^\{.*\}")


def colour(code: str) -> str:
    """A colour of figures as the variable of the page, which is another one in the dark."""
    code = code.lower()
    if code in _NAMES:
        return f"var(--{_NAMES[code]})"
    return f"var(--technique-{COLOURS.index(code)})" if code in COLOURS else code


def svg(drawing: Drawing) -> Markup:
    """The figure as an SVG element; its letters and colours are those of the page."""
    buffer = BytesIO()
    with matplotlib.rc_context(PAGE_STYLE):
        drawing.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(buffer.getvalue())
    for element in root.iter():
        element.tag = _SPACE.sub("", element.tag)
        # The first of href and xlink:href is enough for browsers of today.
        element.attrib = {_SPACE.sub("", name): value for name, value in element.attrib.items()}
        if "style" in element.attrib:
            element.set("style", _COLOUR.sub(lambda found: colour(found[0]), element.get("style", "")))
    for unwanted in ("metadata", "defs"):
        for element in root.findall(unwanted):
            if unwanted == "metadata" or element.find("style") is not None:
                root.remove(element)
    _mark(root, drawing)
    _rename(root, drawing.name)
    box = root.get("viewBox", "")
    root.attrib = {"viewBox": box, "role": "img", "aria-label": drawing.alternative, "class": "drawing"}
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _mark(root: ElementTree.Element, drawing: Drawing) -> None:
    """Says of each technique's lines and points what they are."""
    for group in root.iter("g"):
        technique = technique_of(group.get("id", ""))
        if technique is None:
            continue
        group.set("data-technique", technique)
        points, texts = list(_points(group)), drawing.points.get(technique, ())
        if len(points) == len(texts):
            for point, text in zip(points, texts, strict=True):
                ElementTree.SubElement(point, "title").text = text


def _points(group: ElementTree.Element) -> Iterator[ElementTree.Element]:
    return (point for part in group.findall("g") for point in part.findall("use"))


def _rename(root: ElementTree.Element, name: str) -> None:
    """Ids that are referred to become the figure's own; the others go."""
    found = [
        _REFERENCE.match(value) for one in root.iter() for value in (one.get("href", ""), one.get("clip-path", ""))
    ]
    used = {match[1] for match in found if match}
    for element in root.iter():
        own = element.attrib.pop("id", None)
        if own in used:
            element.set("id", f"{name}-{own}")
        for key in ("href", "clip-path"):
            if match := _REFERENCE.match(element.get(key, "")):
                place = f"#{name}-{match[1]}"
                element.set(key, place if key == "href" else f"url({place})")
