"""Command lines of an experiment's steps."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nmt_prune.experiments.planning.runs import Run
from nmt_prune.pruning.flags import FILES

PACKAGE = Path(__file__).parents[2]

# What a recipe need not say. BLEU on detokenized validation text chooses the checkpoint; the task reports BLEU 0 until
# a growing mask has settled, so a denser checkpoint is never chosen.
STANDARD_FLAGS = {
    "eval_bleu": True,
    "best_checkpoint_metric": "bleu",
    "maximize_best_checkpoint_metric": True,
    "no_epoch_checkpoints": True,
    "keep_interval_updates": 1,
    "num_workers": 0,
    # fairseq's default is all GPUs in sight; the batch of an update would depend on the machine.
    "distributed_world_size": 1,
    # fairseq's default of 8 drops what is left over of a data set, up to 7 sentences.
    "required_batch_size_multiple": 1,
    "log_format": "simple",
    "log_interval": 20,
}

DISTILLED = "data"
"""In the folder of a run that distils: the data folder."""

_NMT_PRUNE = (sys.executable, "-m", "nmt_prune.cli")


@dataclass(frozen=True)
class Programs:
    """The programs behind the steps, each as the beginning of a command line."""

    data: tuple[str, ...] = (*_NMT_PRUNE, "data")
    train: tuple[str, ...] = (sys.executable, "-m", "fairseq_cli.train")
    score: tuple[str, ...] = (*_NMT_PRUNE, "score")
    report: tuple[str, ...] = (*_NMT_PRUNE, "report")
    search: tuple[str, ...] = (*_NMT_PRUNE, "search")
    ticket: tuple[str, ...] = (*_NMT_PRUNE, "ticket")
    quantize: tuple[str, ...] = (*_NMT_PRUNE, "quantize")
    transfer: tuple[str, ...] = (*_NMT_PRUNE, "transfer")
    distill: tuple[str, ...] = (*_NMT_PRUNE, "distill")
    adopt: tuple[str, ...] = (sys.executable, "-m", "nmt_prune.experiments.execution.adopt")


@dataclass(frozen=True)
class Places:
    """Where an experiment reads and writes.

    Attributes:
        runs: folder of the recipe's runs.
        data: data folder.
        programs: the programs behind the steps.
        folders: data folders by ``corpus.folder``, where runs have different corpora.
        dense: checkpoint that stands for the dense run, where it is not trained here.
    """

    runs: Path
    data: Path
    programs: Programs = field(default_factory=Programs)
    folders: Mapping[str, Path] = field(default_factory=dict)
    dense: Path | None = None

    def data_of(self, corpus: Mapping[str, Any]) -> Path:
        """The data folder of a corpus, as a run's settings have it."""
        return self.folders.get(corpus.get("folder") or "", self.data)


def data_command(corpus: Mapping[str, Any], places: Places) -> list[str]:
    """Prepares a corpus, or finds that it is prepared."""
    settings = {key: value for key, value in corpus.items() if key not in ("name", "folder")}
    # Three states: also false has to be said, and null leaves it to the corpus.
    settings["no_clean"] = settings.get("clean") is False
    return [*places.programs.data, corpus["name"], "--out", str(places.data_of(corpus)), *flag_arguments(settings)]


def run_command(run: Run, places: Places) -> list[str]:
    """The command that makes what a run's folder is there for."""
    if run.step == "search":
        return search_command(run, places)
    if run.step == "prune":
        return prune_command(run, places)
    if run.step == "adopt":
        return adopt_command(run, places)
    if run.step == "distill":
        return distill_command(run, places)
    return [*places.programs.train, *train_arguments(run, places)]


def search_command(run: Run, places: Places) -> list[str]:
    """Searches for subnetworks in the parent of a run."""
    search = run.settings["search"]
    files = [str(places.runs / search["checkpoint"]), "--data", str(places.data_of(run.settings["corpus"]))]
    files += ["--out", str(places.runs / run.name)]
    flags = {**{key: value for key, value in search.items() if key != "checkpoint"}, "seed": run.seed}
    flags["tokenize"] = run.settings["generation"].get("tokenize")
    return [*places.programs.search, *files, *flag_arguments(flags)]


def prune_command(run: Run, places: Places) -> list[str]:
    """Puts a mask on trained weights and leaves them as they are."""
    pruning = run.settings["pruning"]
    flags = {key: str(places.runs / pruning[key]) for key in ("mask_from", "rewind_from")}
    flags |= {"reset": pruning["reset"], "out": str(places.runs / run.name / "checkpoint_best.pt")}
    return [*places.programs.ticket, *flag_arguments(flags)]


def adopt_command(run: Run, places: Places) -> list[str]:
    """Copies the dense model into its run's folder."""
    return [*places.programs.adopt, str(places.dense), str(places.runs / run.name), run.settings["dense"]["sha256"]]


def distill_command(run: Run, places: Places) -> list[str]:
    """Translates the training sources with the dense model."""
    options = dict(run.settings["distill"])
    files = [
        "--teacher",
        str(places.runs / options.pop("teacher")),
        "--data",
        str(places.data_of(run.settings["corpus"])),
    ]
    files += ["--out", str(places.runs / run.name / DISTILLED)]
    return [*places.programs.distill, *files, *flag_arguments(options), "--workers", "1"]


def inputs(run: Run) -> Iterator[str]:
    """The files of other runs that a run is made of, as RUN/FILE."""
    settings = run.settings
    named = [(settings.get("pruning") or {}).get(key) for key in FILES]
    teacher = settings.get("teacher") or {}
    named.append(teacher["checkpoint"] if teacher and (teacher["word"] or teacher["hidden"]) else None)
    named.append((settings.get("search") or {}).get("checkpoint"))
    named += [(settings.get("transfer") or {}).get(key) for key in ("mask", "weights", "onto")]
    named.append((settings.get("distill") or {}).get("teacher"))
    return (file for file in named if file is not None and str(Path(file).parent) != run.name)


def train_arguments(run: Run, places: Places) -> list[str]:
    """The arguments of ``fairseq-train`` for a run."""
    settings = run.settings
    precision = {} if settings["precision"] == "fp32" else {settings["precision"].replace("-", "_"): True}
    pruning = dict(settings["pruning"])
    for key in pruning.keys() & FILES:
        pruning[key] = str(places.runs / pruning[key])
    flags = {
        "user_dir": str(PACKAGE),
        "task": "translation_pruning",
        "source_lang": settings["corpus"]["source"],
        "target_lang": settings["corpus"]["target"],
        **settings["model"],
        **STANDARD_FLAGS,
        "eval_bleu_tokenize": settings["generation"].get("tokenize"),
        **settings["training"],
        **_teacher_flags(settings.get("teacher"), places),
        **precision,
        "seed": run.seed,
        "save_dir": str(places.runs / run.name),
        **pruning,
    }
    if flags.get("tensorboard_logdir"):  # curves of each run by its name
        flags["tensorboard_logdir"] = str(Path(flags["tensorboard_logdir"]) / run.name)
    distilled = (settings.get("teacher") or {}).get("sequence")
    data = places.runs / distilled / DISTILLED if distilled else places.data_of(settings["corpus"])
    return [str(data), *flag_arguments(flags)]


def _teacher_flags(teacher: Mapping[str, Any] | None, places: Places) -> dict[str, Any]:
    if teacher is None or not (teacher["word"] or teacher["hidden"]):
        return {}
    weights = {f"teacher_{name}": teacher[name] for name in ("word", "temperature", "hidden")}
    return {"criterion": "distilled_cross_entropy", "teacher": str(places.runs / teacher["checkpoint"]), **weights}


def transfer_commands(run: Run, places: Places) -> list[list[str]]:
    """Fit the mask, and the weights, of another corpus to that of the run; see ``settings["transfer"]``."""
    transfer, pruning = run.settings["transfer"], run.settings["pruning"]
    flags = {
        "from_data": str(places.folders[transfer["from"]]),
        "to_data": str(places.folders[transfer["to"]]),
        "embedding": transfer["embedding"],
    }
    files = [(transfer["mask"], {"out": str(places.runs / pruning["mask_from"])})]
    if "weights" in transfer:
        onto = str(places.runs / transfer["onto"])
        files.append((transfer["weights"], {"onto": onto, "out": str(places.runs / pruning["rewind_from"])}))
    return [
        [*places.programs.transfer, str(places.runs / source), *flag_arguments({**flags, **own})]
        for source, own in files
    ]


def is_quantized(run: Run) -> bool:
    """Whether a run's result is its best checkpoint quantized."""
    return bool(run.settings.get("pruning", {}).get("quantizer"))


def result(run: Run, places: Places) -> Path:
    """The checkpoint that is translated with, and whose size counts."""
    return places.runs / run.name / f"checkpoint_{'quantized' if is_quantized(run) else 'best'}.pt"


def quantize_command(run: Run, places: Places) -> list[str]:
    """Quantizes the best checkpoint of a run as in its training."""
    best, extension = places.runs / run.name / "checkpoint_best.pt", run.settings["pruning"].get("extension")
    return [
        *[*places.programs.quantize, str(best), "--out", str(result(run, places))],
        *(["--extension", extension] if extension else []),
    ]


def score_command(run: Run, places: Places) -> list[str]:
    """Translates with the result of a run and scores the translation."""
    folder = places.runs / run.name
    files = [
        "--checkpoint",
        str(result(run, places)),
        "--data",
        str(places.data_of(run.settings["corpus"])),
        "--out",
        f"{folder}/scores.json",
    ]
    flags = {**run.settings["generation"], "cpu": run.settings["training"].get("cpu")}
    return [*places.programs.score, *files, *flag_arguments(flags)]


def report_command(places: Places) -> list[str]:
    """Writes tables and plots of all finished runs."""
    # With several data folders, the references are where the scores say.
    data = [] if places.folders else ["--data", str(places.data)]
    return [*places.programs.report, str(places.runs), *data]


def flag_arguments(flags: Mapping[str, Any]) -> list[str]:
    """Writes a mapping as command line flags: true is a bare flag, false and null are none, mappings become JSON."""
    arguments: list[str] = []
    for key, value in flags.items():
        if value is None or value is False:
            continue
        arguments.append(f"--{key.replace('_', '-')}")
        if isinstance(value, dict):
            arguments.append(json.dumps(value))
        elif isinstance(value, list):
            arguments += map(str, value)
        elif value is not True:
            arguments.append(str(value))
    return arguments
