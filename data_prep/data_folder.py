"""Making a data folder: what it holds, and when it is made anew."""

import hashlib
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data_prep.corpora import CORPORA, Corpus
from data_prep.digests import folder_digests
from data_prep.download.fetching import Fetching
from data_prep.pipeline import BINARY, HELD_OUT, MODEL, RAW, Pipeline
from data_prep.preparation import Preparation
from nmt_prune.data_digests import MANIFEST
from nmt_prune.errors import PruneError
from nmt_prune.files import atomic_path, read_object, write_json
from nmt_prune.processes import exclusive
from nmt_prune.versions import versions

SUMMARY = "cleaning"
_BEHIND_DATA = ("nmt-prune", "sentencepiece", "sacremoses", "num2words", "ve-fairseq", "fairseq")


def prepare(
    corpus: Corpus, preparation: Preparation, out: Path, *, fetching: Fetching, workers: int = 1, force: bool = False
) -> bool:
    """Makes the data folder ``out``, unless it is there with the same settings.

    Stages that are finished are kept under the cache until the folder is; killed anywhere, the same call goes on. The
    cleaned text stays, for other vocabularies.

    Args:
        corpus: where the text comes from.
        preparation: what is done to it.
        out: the folder; it appears only when it is complete.
        fetching: how files come from elsewhere.
        workers: processes that clean, encode and binarize; they do not change the result.
        force: make it anew whatever it holds.

    Returns:
        Whether the folder was made.

    Raises:
        PruneError: ``out`` holds something else, or a step fails; ``out`` is as it was before.
    """
    name = next(name for name, entry in CORPORA.entries().items() if entry is type(corpus))
    settings = {"corpus": name, **corpus.settings(), **asdict(preparation)}
    if out.exists() and not _must_replace(out, settings, force):
        fetching.report(f"{out} is up to date")
        return False
    work = fetching.cache / "work" / f"{name}.{corpus.source}-{corpus.target}.{_short_digest(corpus.settings())}"
    with exclusive(work / ".lock", f"{work}"):
        pipeline = Pipeline(corpus, name, preparation, work, fetching, workers)
        _publish(pipeline, settings, out)
        fetching.report(_description(pipeline, out, preparation.clean))
        pipeline.forget_all_but_clean_text()
    return True


def _publish(pipeline: Pipeline, settings: dict[str, Any], out: Path) -> None:
    binarized, encoded, subwords = (stage.folder() for stage in (pipeline.binarize, pipeline.encode, pipeline.subwords))
    with atomic_path(out) as folder:
        # Linked, so that whatever happens until the rename the stages are still whole.
        shutil.copytree(binarized / BINARY, folder, copy_function=_link)
        shutil.copytree(encoded / RAW, folder / RAW, copy_function=_link)
        _link(subwords / MODEL, folder / MODEL)
        facts = {**pipeline.clean.facts(), **pipeline.encode.facts()}
        summary = pipeline.summary()
        if settings["clean"]:
            (folder / f"{SUMMARY}.md").write_text(f"{summary.table()}\n", encoding="utf-8")
            write_json(folder / f"{SUMMARY}.json", summary.counts)
        manifest = {
            "settings": settings,
            "inputs": facts["inputs"],
            "pairs": {part: facts["pairs"][part] for part in ("train", *HELD_OUT)},
            "left_out": summary.left_out(),
            "shared_with_held_out": facts["shared"],
            "files": folder_digests(folder),
            "versions": versions(_BEHIND_DATA),
        }
        write_json(folder / MANIFEST, manifest)


def _description(pipeline: Pipeline, out: Path, clean: bool) -> str:
    pairs = pipeline.encode.facts()["pairs"]
    notes = [
        f"note: {part} has {pairs[part]} pairs that are short enough, not {wanted}\n"
        for part, wanted in pipeline.wanted.items()
        if pairs[part] < wanted
    ]
    shared = pipeline.encode.facts()["shared"]
    if shared["train"]:
        notes.append(
            f"warning: {shared['train']} training pairs have a sentence of valid or test: scores will be too high;"
            " --clean leaves them out\n"
        )
    if shared["valid"]:
        notes.append(f"warning: valid and test have {shared['valid']} pairs in common: give two different sets\n")
    table = f"{pipeline.summary().table()}\n" if clean else ""
    sizes = ", ".join(f"{pairs[part]} {part}" for part in ("train", *HELD_OUT))
    return f"{''.join(notes)}{table}{out}: {sizes} pairs"


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _must_replace(out: Path, settings: dict[str, Any], force: bool) -> bool:
    if not (out / MANIFEST).is_file():
        raise PruneError(f"{out} exists and is not a data folder; choose another --out")
    if force:
        return True
    made = read_object(out / MANIFEST).get("settings", {})
    different = [key for key in sorted(settings.keys() | made.keys()) if settings.get(key) != made.get(key)]
    if not different:
        return False
    key = different[0]
    change = "other input files" if key == "files" else f"{key} {made.get(key)}, not {settings.get(key)}"
    raise PruneError(f"{out} was made with {change}; choose another --out, or --force to make it anew")


def _short_digest(settings: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
