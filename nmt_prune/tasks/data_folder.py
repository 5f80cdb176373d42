"""The data folder of a training: its languages, dictionaries and subsets."""

from pathlib import Path

from fairseq.utils import split_paths

from nmt_prune.errors import PruneError
from nmt_prune.tasks.config import TranslationPruningConfig
from nmt_prune.text.languages import language_pairs

_MAKE = "make it with nmt-prune data or fairseq-preprocess"


def find_languages(cfg: TranslationPruningConfig) -> None:
    """Sets the languages that the files of the folder name, if they are of one pair and no flag says them."""
    if cfg.source_lang is None and cfg.target_lang is None:
        pairs = language_pairs(_folder(cfg))
        if len(pairs) == 1:  # fairseq knows no tag with a hyphen
            cfg.source_lang, cfg.target_lang = pairs.pop()


def refuse_missing_dictionaries(cfg: TranslationPruningConfig) -> None:
    """Refuses a folder without the dictionaries of both languages.

    Raises:
        PruneError: one is missing.
    """
    folder = _folder(cfg)
    if not folder.is_dir():
        raise PruneError(f"the data folder {folder} does not exist; {_MAKE}")
    if None in (cfg.source_lang, cfg.target_lang):
        found = ", ".join(sorted("-".join(pair) for pair in language_pairs(folder))) or "none"
        raise PruneError(f"{folder} holds data of these language pairs: {found}; give --source-lang and --target-lang")
    for language in (cfg.source_lang, cfg.target_lang):
        if not (folder / f"dict.{language}.txt").is_file():
            raise PruneError(
                f"{folder} has no dict.{language}.txt; give the data folder and --source-lang and --target-lang as"
                " they were binarized"
            )


def refuse_missing_subsets(cfg: TranslationPruningConfig) -> None:
    """Refuses a folder without the text to train and validate on.

    Raises:
        PruneError: it is missing.
    """
    folder, wanted = _folder(cfg), cfg._get_parent().dataset
    if not language_pairs(folder):
        return  # in another form than fairseq-preprocess writes by default
    validated = [] if wanted.disable_validation else wanted.valid_subset.split(",")
    for subset in (wanted.train_subset, *validated):
        parts = {"-".join(pair) for pair in language_pairs(folder, subset)}
        if parts.isdisjoint({f"{cfg.source_lang}-{cfg.target_lang}", f"{cfg.target_lang}-{cfg.source_lang}"}):
            raise PruneError(
                f"{folder} has no binarized subset {subset!r} of {cfg.source_lang}-{cfg.target_lang}; {_MAKE}, or name"
                " another with --train-subset, --valid-subset"
            )


def _folder(cfg: TranslationPruningConfig) -> Path:
    return Path(split_paths(cfg.data)[0])
