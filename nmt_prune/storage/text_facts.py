"""The types of what a compact model says about its text."""

from collections.abc import Mapping
from typing import Any

from nmt_prune.normalisation import PUNCTUATION
from nmt_prune.storage.streams import DamagedError

_WORDS = ("source_lang", "target_lang", "bpe", "tokenizer")
_CONTENTS = ("bpe_codes", "bpe_separator", "gpt2_encoder_json", "gpt2_vocab_bpe")
_FLAGS = ("moses_no_escape", "moses_no_dash_splits")


def check_text(text: Mapping[str, Any]) -> None:
    """Checks the entries of a text that anybody may have written; unknown ones are left alone.

    Raises:
        DamagedError: one is of another type, or names a normalisation that is not known.
    """
    for key, value in text.items():
        is_right = (
            (key not in _WORDS or value is None or isinstance(value, str))
            and (key not in _CONTENTS or (isinstance(value, str) and bool(value)))
            and (key not in _FLAGS or isinstance(value, bool))
            and (key != "normalisation" or value == PUNCTUATION)
        )
        if not is_right:
            raise DamagedError(f"{key} {str(value)[:40]}")
