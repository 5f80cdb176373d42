"""A data folder whose training targets are a teacher's translations."""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data_prep.digests import folder_digests
from data_prep.progress import Progress
from data_prep.text.streaming import stream
from data_prep.text.texts import Text
from nmt_prune import __version__
from nmt_prune.checkpoints import Checkpoint
from nmt_prune.checkpoints.own_dictionaries import check_data
from nmt_prune.data_digests import MANIFEST, data_digest, known_digests
from nmt_prune.distillation.settings import Distillation
from nmt_prune.distillation.targets import TRANSLATED, Targets
from nmt_prune.errors import PruneError
from nmt_prune.files import atomic_path, file_digest, read_object, write_json
from nmt_prune.processes import exclusive
from nmt_prune.storage.checkpoints.vocabularies import group, is_cleaned
from nmt_prune.text.dictionaries import read_symbols
from nmt_prune.text.languages import language_pairs

_PAIRS_PER_BLOCK = 500
_SETTINGS = "settings.json"


def distill(
    settings: Distillation,
    out: Path,
    *,
    workers: int = 1,
    force: bool = False,
    report: Callable[[str], None],
) -> bool:
    """Makes a data folder like that of the settings, its training targets translated by the teacher.

    Killed at any time, the same call goes on where it was and ends with the same bytes: what is done lies in
    ``.NAME.work`` beside the folder. Dictionaries, subword model, validation and test set are those of the data.

    Args:
        settings: the teacher and how it translates.
        out: the folder to make.
        workers: processes that translate, each with the teacher; they do not change the result.
        force: make it anew whatever distillation it, or unfinished work, holds.
        report: called with lines about each slow step.

    Returns:
        Whether the folder was made.

    Raises:
        PruneError: teacher and data do not belong together, or ``out`` or unfinished work was made with other settings,
            or by something else; nothing was changed.
    """
    pair, remark = check(settings)
    _refuse_losses(settings.data, out)
    if remark:
        report(f"warning: {remark}")
    wanted = _described(settings)
    if out.exists() and not force:
        _compare(out, MANIFEST, wanted, "holds")
        _add_cleaning(out, wanted)
        report(f"{out} is up to date")
        return False
    work = out.with_name(f".{out.name}.work")
    with exclusive(work.with_name(f"{work.name}.lock"), str(out)):
        if force:
            shutil.rmtree(work, ignore_errors=True)
        if (work / _SETTINGS).exists():
            _compare(work, _SETTINGS, wanted, "is unfinished work of")
        work.mkdir(parents=True, exist_ok=True)
        write_json(work / _SETTINGS, {"settings": wanted})
        counts = _translate(settings, pair, work, workers, report)
        if not counts[TRANSLATED]:
            raise PruneError(f"{settings.teacher} translates no training sentence of {settings.data}: {dict(counts)}")
        sizes = _publish(settings, pair, work, out, wanted, counts)
        shutil.rmtree(work)
    left_out = "".join(f", {count:,} {what}" for what, count in sorted(counts.items()) if what != TRANSLATED)
    report(f"{out}: {sizes:,} training pairs, {counts[TRANSLATED]:,} targets of {settings.teacher.name}{left_out}")
    return True


def check(settings: Distillation) -> tuple[tuple[str, str], str]:
    """Checks that the teacher translates this data.

    Returns:
        Source and target language, and a remark if the dictionaries cannot be compared.

    Raises:
        PruneError: there is no training text of one pair, or the teacher has other dictionaries or another direction.
    """
    pairs = language_pairs(settings.data, "train")
    if len(pairs) != 1:
        raise PruneError(
            f"--data {settings.data} has no binarized subset 'train' of one language pair; see nmt-prune data"
        )
    (pair,) = pairs
    teacher = Checkpoint.load(settings.teacher)
    remark = check_data(teacher, settings.data)
    trained = tuple(group(teacher, "task").get(f"{side}_lang") for side in ("source", "target"))
    if all(trained) and trained != pair:
        raise PruneError(
            f"--teacher {settings.teacher} translates {'-'.join(map(str, trained))}, and --data {settings.data} is"
            f" {'-'.join(pair)}; give a teacher of the same direction"
        )
    return pair, remark


def _described(settings: Distillation) -> dict[str, Any]:
    """What decides the bytes of the folder: settings, and the teacher and the data by their contents."""
    chosen = {key: value for key, value in asdict(settings).items() if key not in ("teacher", "data")}
    data = data_digest(known_digests(settings.data))
    text = {"clean": True} if is_cleaned(settings.data) else {}  # what translates with a student has to know
    return {**chosen, **text, "teacher": file_digest(settings.teacher), "data": data}


def _refuse_losses(data: Path, out: Path) -> None:
    """Refuses to put a folder in place of the data that it is made of, or of what distill did not make."""
    if out.resolve() in (data.resolve(), *data.resolve().parents):
        raise PruneError(f"--out {out} holds --data {data}, which is read; choose another --out")
    if data.resolve() in out.resolve().parents:
        raise PruneError(f"--out {out} lies in --data {data}, all of which is copied there; choose another --out")
    if out.exists():
        _made(out, MANIFEST)


def _made(folder: Path, record: str) -> dict[str, Any]:
    """The settings of a folder that distill has made."""
    path = folder / record
    made = (read_object(path) if path.is_file() else {}).get("settings") or {}
    if "teacher" not in made:
        raise PruneError(f"{folder} exists and was not made by nmt-prune distill; choose another --out")
    return dict(made)


def _add_cleaning(folder: Path, wanted: dict[str, Any]) -> None:
    """Says in the manifest of an older version that the text is cleaned, which whoever packs a student has to know."""
    manifest = read_object(folder / MANIFEST)
    if "clean" in wanted and "clean" not in manifest["settings"]:
        write_json(folder / MANIFEST, {**manifest, "settings": wanted})


def _compare(folder: Path, record: str, wanted: dict[str, Any], what: str) -> None:
    made = _made(folder, record)
    if "clean" in wanted:
        made.setdefault("clean", wanted["clean"])  # older ones do not say
    different = [key for key in sorted(wanted.keys() | made.keys()) if wanted.get(key) != made.get(key)]
    if not different:
        return
    key = different[0]
    by = f"another {key}" if key in ("teacher", "data") else f"{key} {made.get(key)}, not {wanted.get(key)}"
    raise PruneError(f"{folder} {what} a distillation with {by}; choose another --out, or --force to begin anew")


def _translate(
    settings: Distillation, pair: tuple[str, str], work: Path, workers: int, report: Callable[[str], None]
) -> Counter[str]:
    from nmt_prune.measuring.binarized import write_rows  # imports fairseq, which takes seconds

    original = Text("train", *(work / f"original.{side}" for side in ("source", "target")))
    if not (work / "original.json").exists():
        counts = [
            write_rows(settings.data, "-".join(pair), language, text)
            for language, text in zip(pair, original[1:], strict=True)
        ]
        write_json(work / "original.json", counts)
    outputs = [work / f"distilled.{side}" for side in ("source", "target")]
    report(f"translating with {settings.teacher}, beam {settings.beam}")
    progress = Progress("distill", report)
    (counts_of_all,) = stream(
        [original],
        Targets(settings),
        outputs,
        workers=workers,
        progress=progress,
        pairs_per_block=_PAIRS_PER_BLOCK,
    )
    return counts_of_all


def _publish(
    settings: Distillation, pair: tuple[str, str], work: Path, out: Path, wanted: dict[str, Any], counts: Counter[str]
) -> int:
    """Puts the folder in place; returns the number of its training pairs."""
    from nmt_prune.measuring.binarized import binarize_rows

    with atomic_path(out) as folder:
        folder.mkdir()
        for path in sorted(settings.data.iterdir()):
            if path.name.startswith(("train", "cleaning", MANIFEST)):
                continue
            copy = shutil.copytree if path.is_dir() else shutil.copyfile
            copy(path, folder / path.name)
        for side, language in zip(("source", "target"), pair, strict=True):
            words = len(read_symbols(settings.data / f"dict.{language}.txt"))
            binarize_rows(work / f"distilled.{side}", folder / f"train.{'-'.join(pair)}.{language}", words)
        pairs = counts[TRANSLATED] + (sum(counts.values()) if settings.keep_originals else 0)
        manifest = {
            "settings": wanted,
            "teacher": str(settings.teacher),
            "made_of": str(settings.data),
            "pairs": {"train": pairs},
            "counts": dict(counts),
            "files": folder_digests(folder),
            "versions": {"nmt-prune": __version__},
        }
        write_json(folder / MANIFEST, manifest)
    return pairs
