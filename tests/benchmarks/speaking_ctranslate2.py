"""Translates three words with CTranslate2's int8, which says what it computes with where ``CT2_VERBOSE`` is set."""

import tempfile
from pathlib import Path

import ctranslate2

from nmt_prune.export.ctranslate2 import export_ctranslate2
from tests.runtime.models import random_model

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="nmt-prune-") as folder:
        export_ctranslate2(random_model(), Path(folder) / "model", "int8")
        translator = ctranslate2.Translator(str(Path(folder) / "model"), compute_type="int8", intra_threads=1)
        translator.translate_batch([["w1", "w2", "w3"]], beam_size=1, max_decoding_length=3)
