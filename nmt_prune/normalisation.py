"""What a line is made to look like before anything else looks at it."""

import re
import unicodedata
from functools import cache
from typing import Any

import regex

PUNCTUATION = "moses"
"""What the normalisation of this module is called where a model says that its text was normalised."""

# Every character or sequence that one of sacremoses' substitutions begins to act on; a line without any stays as it is.
# A test holds this against sacremoses itself.
_TOUCHED = re.compile(r"""[()`„“”–—´‘‚’…«»\u00a0]|''|  | [:;]|\d %|"[,.]|[,.]"|\r""")
# Control, invisible, unassigned and private characters (Unicode category C) that are not white space.
_CONTROLS = regex.compile(r"[^\P{C}\s\x1c-\x1f]")


def one_line(text: str) -> str:
    """Makes every run of white space one plain space: a stray U+2028 or carriage return would break a line in two."""
    return " ".join(text.split())


def normalise(text: str, language: str) -> str:
    """Composes characters (NFC), drops control and invisible characters, and normalises punctuation and white space.

    Punctuation is that of Moses' normalize-punctuation, in sacremoses' port, as in fairseq's WMT recipes.

    Args:
        text: a line.
        language: its language, which decides where commas stand beside quotation marks.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if not text.isprintable():
        text = _CONTROLS.sub("", text)
    if _TOUCHED.search(text):
        text = _moses(language).normalize(text)
    return one_line(text)


@cache
def _moses(language: str) -> Any:
    from sacremoses import MosesPunctNormalizer

    return MosesPunctNormalizer(lang=language)
