"""Tokenizers of BLEU."""

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.text.bleu import bleu_metric, tokenizer_of


@pytest.mark.parametrize(
    ("language", "tokenizer"),
    [
        *((tag, "zh") for tag in ("zh", "zh-Hans", "zh_CN", "ZH", "zho_Hant", "cmn", "yue-HK")),
        *(("ja-JP", "ja-mecab"), ("jpn_Jpan", "ja-mecab"), ("ko_KR", "ko-mecab"), ("kor", "ko-mecab")),
        *((tag, "char") for tag in ("th", "tha_Thai", "my-MM", "lo", "khm")),
        *((tag, "13a") for tag in ("de", "pt-BR", "sr@latin", "deu", "zu", "xx", "")),
    ],
)
def test_tokenizers_by_language_tag(language, tokenizer):
    assert tokenizer_of(language) == tokenizer


def test_tokenizers_that_cannot_be_had(monkeypatch):
    with pytest.raises(PruneError, match=r"unknown tokenizer 'moses' of BLEU; sacreBLEU has .*13a"):
        bleu_metric("moses")
    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_ja_mecab.MeCab", None)
    with pytest.raises(PruneError, match=r"ja-mecab cannot be .*: pip install 'sacrebleu\[ja\]', or .*--tokenize"):
        bleu_metric(tokenizer_of("ja"))
