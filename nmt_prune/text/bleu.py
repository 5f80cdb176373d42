"""BLEU by sacreBLEU, whose tokenizer follows the target language."""

from sacrebleu.metrics.bleu import BLEU

from nmt_prune.errors import PruneError
from nmt_prune.text.languages import primary_language

WORDS = "13a"
"""sacreBLEU's tokenizer for languages that separate words by blanks."""

# The first three are sacreBLEU's own choice. It has none for the others, which do not separate words either: what 13a
# makes of a sentence there is one token or a few, and BLEU 0.
_TOKENIZERS = {
    **{"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"},
    **dict.fromkeys(("th", "lo", "km", "my", "bo", "dz"), "char"),
}
_MECAB = {"ja-mecab": "ja", "ko-mecab": "ko"}


def tokenizer_of(language: str) -> str:
    """The tokenizer of sacreBLEU for a target language, whatever the form of its tag."""
    return _TOKENIZERS.get(primary_language(language), WORDS)


def bleu_metric(tokenize: str = WORDS, effective_order: bool = False) -> BLEU:
    """BLEU with a tokenizer, and otherwise sacreBLEU's defaults (case is kept).

    Args:
        tokenize: sacreBLEU's name of the tokenizer.
        effective_order: as sacreBLEU wants it for single sentences.

    Raises:
        PruneError: there is no such tokenizer, or what it needs is not installed.
    """
    if tokenize not in BLEU.TOKENIZERS:
        raise PruneError(f"unknown tokenizer {tokenize!r} of BLEU; sacreBLEU has {', '.join(BLEU.TOKENIZERS)}")
    try:
        return BLEU(tokenize=tokenize, effective_order=effective_order)
    except Exception as error:  # each tokenizer has its own: no package, no download, another dictionary
        help_ = f"pip install 'sacrebleu[{_MECAB[tokenize]}]'" if tokenize in _MECAB else "it has to download a model"
        raise PruneError(
            f"BLEU's tokenizer {tokenize} cannot be used here ({type(error).__name__}): {help_}, or choose another,"
            " e.g. char, by --tokenize (fairseq-train: --eval-bleu-tokenize, a recipe: generation.tokenize)"
        ) from None
