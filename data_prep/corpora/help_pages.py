"""Reading the paragraphs of a LibreOffice help page.

A paragraph is an element whose id starts with ``par_id`` or ``hd_id``; translators keep the id, so equal ids on one
page are translations of each other. Passages that depend on the reader's system or application stand as hidden variants
side by side inside ``<span class="switchinline">``; a script of the page shows one, and here that is the default one.
"""

from html.parser import HTMLParser

_PARAGRAPH_IDS = ("par_id", "hd_id")
# Program text and pictures are the same in every language.
_UNTRANSLATED_CLASSES = {"code", "codeintable", "smathcode", "example", "image", "imageintable"}
_SWITCH = "switchinline"


class _ParagraphParser(HTMLParser):
    """Collects the visible text of each paragraph; ``texts`` maps id to every occurrence of it, in page order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: dict[str, list[str]] = {}
        self._element: str | None = None
        self._depth = 0
        self._id = ""
        self._parts: list[str] = []
        self._spans: list[str] = []
        self._shown_variants = 0
        self._switches = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if self._element is None:
            identifier = attributes.get("id", "")
            if identifier.startswith(_PARAGRAPH_IDS) and attributes.get("class") not in _UNTRANSLATED_CLASSES:
                self._element, self._depth, self._id = tag, 1, identifier
                self._parts, self._spans, self._shown_variants, self._switches = [], [], 0, 0
            return
        if tag == self._element:
            self._depth += 1
        if tag == "br":
            self._parts.append(" ")
        if tag == "span":
            self._spans.append(self._span_kind(attributes))

    def handle_endtag(self, tag: str) -> None:
        if self._element is None:
            return
        if tag == "span" and self._spans:
            self._spans.pop()
        if tag == self._element:
            self._depth -= 1
            if self._depth == 0:
                self._close()

    def handle_data(self, data: str) -> None:
        if self._element is not None and "hidden" not in self._spans:
            self._parts.append(data)

    def _span_kind(self, attributes: dict[str, str]) -> str:
        if attributes.get("class") == _SWITCH:
            self._switches += 1
            return "switch"
        if "hidden" not in attributes:
            return "shown"
        if attributes.get("id", "").startswith("default"):
            self._shown_variants += 1
            return "shown"
        return "hidden"

    def _close(self) -> None:
        # A switch without a default variant leaves a hole in the sentence: such a paragraph is counted, but empty.
        complete = self._shown_variants == self._switches
        text = " ".join("".join(self._parts).split()) if complete else ""
        self.texts.setdefault(self._id, []).append(text)
        self._element = None


def paragraphs(html: str) -> dict[str, str]:
    """Reads the visible paragraphs of a help page.

    Args:
        html: the page.

    Returns:
        Text by ``id``, in page order, whitespace normalised. An id that occurs again on the page has the key ``id#2``,
        ``id#3``, ...; a paragraph whose text depends on the application, without a default, is empty.
    """
    parser = _ParagraphParser()
    parser.feed(html)
    parser.close()
    return {
        identifier if index == 0 else f"{identifier}#{index + 1}": text
        for identifier, occurrences in parser.texts.items()
        for index, text in enumerate(occurrences)
    }
