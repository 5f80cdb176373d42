"""What a line is made to look like before anything else looks at it."""

import html
import re
import unicodedata
from functools import cache
from typing import Any

import regex

from nmt_prune.text.languages import primary_language

PUNCTUATION = "moses"
"""What the normalisation of this module is called where a model says that its text was normalised."""

# Every character or sequence that one of sacremoses' substitutions begins to act on; a line without any stays as it is.
# A test holds this against sacremoses itself.
_TOUCHED = re.compile(r"""[()`„“”–—´‘‚’…«»\u00a0]|''|  | [:;]|\d %|"[,.]|[,.]"|\r""")
# Control, unassigned and private characters (Unicode category C) that are not white space, and of the format characters
# those that nobody sees (Default_Ignorable_Code_Point: soft hyphens, bidi marks, stray byte-order marks). What makes
# another word or sign is kept, as in UAX #31: joiners (Persian, Hindi, emoji), the Mongolian vowel separator, tags
# (flags), and, by UAX #14, zero-width spaces inside scripts that write words without spaces (Khmer, Thai).
_CONTROLS = regex.compile(
    r"[\P{Cf}&&\p{C}&&[^\s\x1c-\x1f]]"
    r"|[\p{Cf}&&\p{Default_Ignorable_Code_Point}--[\u200b-\u200d\u180e\U000e0020-\U000e007f]]"
    r"|(?<!\p{Line_Break=SA})\u200b|\u200b(?!\p{Line_Break=SA})"
    r"|(?<!\S)[\u200b-\u200d]+(?!\S)",
    regex.VERSION1,
)
# Only whole ones: in an address, "&copy=1" is none.
_ENTITY = re.compile(r"&(?:#\d+|#[xX][\da-fA-F]+|[A-Za-z]\w*);")


def one_line(text: str) -> str:
    """Makes every run of white space one plain space: a stray U+2028 or carriage return would break a line in two."""
    return " ".join(text.split())


def normalise(text: str, language: str) -> str:
    """Decodes HTML's entities, composes characters (NFC), drops what nobody sees, normalises punctuation and space.

    Invisible characters that make another word or sign, such as joiners in Persian and in emoji, stay.

    Punctuation is that of Moses' normalize-punctuation, in sacremoses' port, as in fairseq's WMT recipes.

    Args:
        text: a line.
        language: its language, which decides where commas stand beside quotation marks.
    """
    if "&" in text:
        text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
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

    return MosesPunctNormalizer(lang=primary_language(language))
