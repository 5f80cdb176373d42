"""Stands in for the programs behind the steps: ``python fake_programs.py CONTROL PROGRAM ARGUMENTS``.

Like fairseq-train, the fake training logs its updates, saves a checkpoint now and then, and goes on from it. CONTROL is
a folder that tests write to and read: ``fail.RUN`` makes a training fail at update 15, ``hang.RUN`` makes it wait there
for its end, and trainings with a file in the folder ``meet`` wait for each other; ``calls.jsonl`` tells what was called
when, and ``pid`` which process trains.
"""

import json
import os
import sys
import time
import zipfile
from pathlib import Path

UPDATES_BETWEEN_SAVES = 10
LONGEST = 60  # seconds that one waits for what may never happen


def main() -> None:
    control, program, *arguments = sys.argv[1:]
    began = time.time()
    call = {
        "program": program,
        "pid": os.getpid(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "arguments": arguments,
    }
    programs = {"data": prepare, "train": train, "score": score, "report": report}
    programs |= {"search": search, "ticket": ticket, "quantize": quantize, "transfer": transfer, "distill": prepare}
    programs[program](Path(control), arguments, call)
    with (Path(control) / "calls.jsonl").open("a") as file:
        file.write(json.dumps({**call, "began": began, "ended": time.time()}) + "\n")


def option(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def prepare(control: Path, arguments: list[str], call: dict) -> None:
    Path(option(arguments, "--out")).mkdir(parents=True, exist_ok=True)


def train(control: Path, arguments: list[str], call: dict) -> None:
    folder, end = Path(option(arguments, "--save-dir")), int(option(arguments, "--max-update"))
    (control / "pid").write_text(str(os.getpid()))
    call["run"], call["folder"] = folder.name, str(folder)
    call["run_json_was_there"] = (folder / "run.json").exists()
    if "distilled" in arguments[0] and not Path(arguments[0]).exists():
        sys.exit("FileNotFoundError: nobody has made the data")
    if "--mask-from" in arguments and not Path(option(arguments, "--mask-from")).exists():
        sys.exit("ValueError: the parent has no checkpoint")
    last = folder / "checkpoint_last.pt"
    update = read_checkpoint(last) if last.exists() else 0
    call["resumed_at"] = update
    meet(control / "meet", folder.name)
    while update < end:
        update += 1
        print(
            f"2026-01-01 00:00:00 | INFO | train_inner | epoch 001: loss=1.5, num_updates={update}, lr=0.1", flush=True
        )
        if update % UPDATES_BETWEEN_SAVES == 0:
            write_checkpoint(last, update)
            write_checkpoint(folder / "checkpoint_best.pt", update)
            print(f"2026-01-01 00:00:00 | INFO | valid | valid on 'valid' subset | bleu {update / 4:.2f}", flush=True)
        if (control / f"fail.{folder.name}").exists() and update == 15:
            print("Traceback (most recent call last):\nRuntimeError: loss is NaN\n", file=sys.stderr)
            sys.exit(1)
        if (control / f"hang.{folder.name}").exists() and update == 15:
            time.sleep(LONGEST)


def meet(place: Path, run: str) -> None:
    if (place / run).exists():
        (place / run).unlink()
        deadline = time.monotonic() + LONGEST
        while any(place.iterdir()):
            if time.monotonic() > deadline:
                sys.exit("TimeoutError: nobody came")
            time.sleep(0.01)


def score(control: Path, arguments: list[str], call: dict) -> None:
    checkpoint, out = Path(option(arguments, "--checkpoint")), Path(option(arguments, "--out"))
    call["run"] = out.parent.name
    temporary = out.with_suffix(".tmp")
    temporary.write_text(json.dumps({"bleu": read_checkpoint(checkpoint) / 4}))
    temporary.replace(out)  # as the real one: who looks meanwhile sees no half of it


def search(control: Path, arguments: list[str], call: dict) -> None:
    folder = Path(option(arguments, "--out"))
    call["run"] = folder.name
    read_checkpoint(Path(arguments[0]))
    for name in ("good", "random", "bad"):
        (folder / f"{name}.safetensors").touch()


def ticket(control: Path, arguments: list[str], call: dict) -> None:
    assert Path(option(arguments, "--mask-from")).exists()
    out = Path(option(arguments, "--out"))
    call["run"] = out.parent.name
    write_checkpoint(out, read_checkpoint(Path(option(arguments, "--rewind-from"))))


def quantize(control: Path, arguments: list[str], call: dict) -> None:
    write_checkpoint(Path(option(arguments, "--out")), read_checkpoint(Path(arguments[0])))


def transfer(control: Path, arguments: list[str], call: dict) -> None:
    if (control / "fail.transfer").exists():
        sys.exit("nmt-prune: error: no such dictionary")
    assert Path(arguments[0]).exists()
    Path(option(arguments, "--out")).write_text("masks")


def report(control: Path, arguments: list[str], call: dict) -> None:
    folder = Path(arguments[0]) / "report"
    folder.mkdir(exist_ok=True)
    runs = sorted(path.parent.name for path in Path(arguments[0]).glob("*/scores.json"))
    (folder / "table.md").write_text("\n".join(runs) + "\n")


def read_checkpoint(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return int(archive.read("updates"))


def write_checkpoint(path: Path, update: int) -> None:
    temporary = path.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr("updates", str(update))
    temporary.replace(path)


if __name__ == "__main__":
    main()
