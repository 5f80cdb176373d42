"""Language tags: zh-Hans, pt_BR, sr@latin and deu are zh, pt, sr and de to libraries that know two letters only."""

import re

# ISO 639-2 and 639-3 codes of the languages that a library here treats in a way of its own; Chinese languages are
# written alike.
_TWO_LETTERS = {
    **dict.fromkeys(("zho", "chi", "cmn", "yue", "wuu", "nan", "hak", "gan", "lzh"), "zh"),
    **{"jpn": "ja", "kor": "ko", "tha": "th", "lao": "lo", "khm": "km", "mya": "my", "bur": "my"},
    **{"bod": "bo", "tib": "bo", "dzo": "dz", "eng": "en", "deu": "de", "ger": "de", "spa": "es", "fra": "fr"},
    **{"fre": "fr", "ces": "cs", "cze": "cs"},
}


def primary_language(tag: str) -> str:
    """The language of a tag, without script, region and variant.

    Args:
        tag: an IETF tag (``zh-Hans``), a locale (``pt_BR``, ``sr@latin``) or a code of ISO 639 (``de``, ``deu``).

    Returns:
        In lower case, with two letters where a library here knows the language by them.
    """
    language = re.split(r"[-_@.]", tag.lower(), maxsplit=1)[0]
    return _TWO_LETTERS.get(language, language)
