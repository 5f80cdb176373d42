"""The kind of subwords that a dictionary holds."""

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.text.subwords import SENTENCEPIECE, kind_of


@pytest.mark.parametrize("text", ["für Öl, schön und Äpfel", "où ça, déjà créé à Noël", "żółć jaźń łąka", "мы и они"])
def test_subwords_of_bytes_are_not_taken_for_characters(text):
    """As fairseq's byte_bpe writes them: SentencePiece marks on UTF-8, a character for each byte."""
    printable = {*range(32, 127), *range(161, 173), *range(174, 256)}
    plain = [f"▁{word}" for word in text.split()]
    spelt = ["▁" + "".join(chr(b if b in printable else 256 + b) for b in word.encode()) for word in text.split()]
    assert kind_of(plain, "dict") == SENTENCEPIECE
    with pytest.raises(PruneError, match="dict has subwords of bytes, as fairseq's byte_bpe writes them"):
        kind_of(spelt, "dict")
