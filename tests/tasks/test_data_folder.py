"""What a training needs of its data folder is there, or one line names it."""

from types import SimpleNamespace
from typing import Any

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.tasks.data_folder import find_languages, refuse_missing_dictionaries, refuse_missing_subsets

FILES = ("dict.en.txt", "dict.pt-BR.txt", "train.en-pt-BR.en.idx", "train.en-pt-BR.pt-BR.idx")


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        (tmp_path / name).touch()
    return tmp_path


def flags(data: Any, source: str | None = None, target: str | None = None, **dataset: Any) -> Any:
    root = SimpleNamespace(
        dataset=SimpleNamespace(
            **{"train_subset": "train", "valid_subset": "valid", "disable_validation": True, **dataset}
        )
    )
    return SimpleNamespace(data=str(data), source_lang=source, target_lang=target, _get_parent=lambda: root)


def test_files_say_the_languages(folder):
    cfg = flags(folder)
    find_languages(cfg)
    assert (cfg.source_lang, cfg.target_lang) == ("en", "pt-BR")
    refuse_missing_dictionaries(cfg)
    refuse_missing_subsets(cfg)
    refuse_missing_subsets(flags(folder, "pt-BR", "en"))


@pytest.mark.parametrize(
    ("languages", "message"),
    [
        (("en", "xx"), r"has no dict\.xx\.txt; give the data folder and --source-lang"),
        ((None, "en"), "of these language pairs: en-pt-BR; give --source-lang"),
    ],
)
def test_missing_dictionaries(folder, languages, message):
    with pytest.raises(PruneError, match=message):
        refuse_missing_dictionaries(flags(folder, *languages))
    with pytest.raises(PruneError, match="nowhere does not exist"):
        refuse_missing_dictionaries(flags(folder / "nowhere", *languages))


@pytest.mark.parametrize("dataset", [{"train_subset": "trian"}, {"disable_validation": False}])
def test_missing_subsets(folder, dataset):
    with pytest.raises(PruneError, match=r"has no binarized subset '(trian|valid)' of en-pt-BR"):
        refuse_missing_subsets(flags(folder, "en", "pt-BR", **dataset))
    (folder / "train.en-pt-BR.en.idx").rename(folder / "train.raw")
    (folder / "train.en-pt-BR.pt-BR.idx").unlink()
    refuse_missing_subsets(flags(folder, "en", "pt-BR", **dataset))
