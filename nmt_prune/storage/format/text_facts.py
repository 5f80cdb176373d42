"""The types of what a compact model says about its text."""

from collections.abc import Mapping
from typing import Any

from nmt_prune.storage.coding.streams import DamagedError
from nmt_prune.text.normalisation import PUNCTUATION

_WORD, _CONTENT, _FLAG = (str, type(None)), (str,), (bool,)
TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("source_lang", "target_lang", "bpe", "tokenizer"), _WORD),
    **dict.fromkeys(("bpe_codes", "bpe_separator", "gpt2_encoder_json", "gpt2_vocab_bpe"), _CONTENT),
    **dict.fromkeys(("moses_no_escape", "moses_no_dash_splits"), _FLAG),
}
"""Of each entry; contents of files are not empty."""


def check_text(text: Mapping[str, Any]) -> None:
    """Checks the entries of a text that anybody may have written; unknown ones are left alone.

    Raises:
        DamagedError: one is of another type, or names a normalisation that is not known.
    """
    for key, value in text.items():
        types = TYPES.get(key)
        is_wrong = types is not None and (type(value) not in types or (types == _CONTENT and not value))
        if is_wrong or (key == "normalisation" and value != PUNCTUATION):
            raise DamagedError(f"{key} {str(value)[:40]}")
