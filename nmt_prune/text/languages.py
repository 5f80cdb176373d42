"""Language tags: zh-Hans, pt_BR, sr@latin and deu are zh, pt, sr and de to libraries that know two letters only."""

import re
from pathlib import Path

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


def language_pairs(data: Path, subset: str | None = None) -> set[tuple[str, str]]:
    """Source and target languages of the binarized subsets in a data folder, by the names of their files.

    These are ``SUBSET.SOURCE-TARGET.LANGUAGE.idx``, one for each side; a tag may itself have hyphens.

    Args:
        data: the data folder.
        subset: ``train``, ``valid``, ``test``, ...; None is any.
    """
    files = [path.name.rsplit(".", maxsplit=3) for path in data.glob("*.*-*.*.idx")]
    pairs = [(pair, language) for name, pair, language, _ in files if subset in (None, name)]
    return {(pair.removesuffix(f"-{target}"), target) for pair, target in pairs if pair.endswith(f"-{target}")}
