"""fairseq's dictionaries as files: which subword each row of an embedding stands for."""

from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.text.languages import language_pairs

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
BOS, PAD, EOS, UNK = range(4)


def read_symbols(path: Path) -> list[str]:
    """Reads the symbols of a dictionary in the order of their rows, the four special ones first.

    Raises:
        PruneError: the file is missing or is no dictionary.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise PruneError(f"dictionary {path} does not exist; name a folder of fairseq-preprocess") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PruneError(f"dictionary {path} cannot be read: {error}") from None
    symbols = []
    for number, line in enumerate(filter(None, lines), start=1):
        symbol, _, count = line.removesuffix(" #fairseq:overwrite").rpartition(" ")
        if not symbol or not count.lstrip("-").isdigit():
            raise PruneError(f"dictionary {path}, line {number}: expected a symbol and its count")
        symbols.append(symbol)
    return [*SPECIAL, *symbols]


def languages(folder: Path) -> tuple[str, str]:
    """Source and target language of a folder of fairseq-preprocess.

    Raises:
        PruneError: it has no binarized text.
    """
    if pairs := sorted(language_pairs(folder)):
        return pairs[0]
    raise PruneError(f"{folder} has no binarized text (train.SOURCE-TARGET.SOURCE.idx); run fairseq-preprocess first")


def read_dictionaries(folder: Path, pair: tuple[str, str] | None = None) -> dict[str, list[str]]:
    """The symbols of both sides of a folder of fairseq-preprocess, by stack: ``encoder`` and ``decoder``.

    Args:
        folder: the folder.
        pair: source and target language of the model; None: as its files have it.
    """
    return {
        stack: read_symbols(folder / f"dict.{language}.txt")
        for stack, language in zip(("encoder", "decoder"), pair or languages(folder), strict=True)
    }
