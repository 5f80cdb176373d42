"""Translating with ``fairseq-generate``, run as the user would run it."""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import nmt_prune
from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.joining import joining
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.files import refusal, temporary_folder
from nmt_prune.processes import with_reason
from nmt_prune.storage.model.splitting import AS_FOUND, Splitting

# D-<id> <score> <text>: the hypothesis after subword and tokenizer decoding; H- is before the tokenizer's.
_HYPOTHESIS = re.compile(r"D-(\d+)\t[^\t]+\t(.*)", re.DOTALL)
_LEFT_OUT = re.compile(r"([\d,]+) samples have invalid sizes and will be skipped")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|assert)\b")


@dataclass(frozen=True)
class Decoding:
    """How hypotheses are searched.

    Attributes:
        beam: beam size.
        lenpen: length penalty; above 1 favours longer sentences.
        max_tokens: tokens of a batch.
        remove_bpe: subwords to join, a value of fairseq's ``--remove-bpe``; None: those of the dictionary.
        cpu: stay off the GPU even if there is one.
        extra: further flags of fairseq-generate.
        splitting: what is known about the splitting of the model's text.
    """

    beam: int = 5
    lenpen: float = 1.0
    max_tokens: int = 4000
    remove_bpe: str | None = None
    cpu: bool = False
    extra: tuple[str, ...] = ()
    splitting: Splitting = AS_FOUND

    def flags(self) -> list[str]:
        """The flags of fairseq-generate."""
        flags = ["--beam", str(self.beam), "--lenpen", str(self.lenpen), "--max-tokens", str(self.max_tokens)]
        flags += ["--remove-bpe", self.remove_bpe] if self.remove_bpe is not None else []
        return [*flags, *(["--cpu"] if self.cpu else []), *self.extra]


@dataclass(frozen=True)
class Translation:
    """A translated subset.

    Attributes:
        lines: one detokenized hypothesis per line of the reference, in its order.
        left_out: lines, from 1 on, that the model is too short for, by their source or their reference; their
            hypotheses are empty.
    """

    lines: list[str]
    left_out: tuple[int, ...] = ()


def generate_command(
    checkpoint: Path, subset: Subset, decoding: Decoding, results: Path, program: str = "fairseq_cli.generate"
) -> list[str]:
    """The fairseq-generate command that translates ``subset`` into the folder ``results``.

    Args:
        checkpoint: the model.
        subset: what to translate.
        decoding: how.
        results: folder of the output.
        program: the module to run, which takes the flags of fairseq-generate.
    """
    return [
        *[sys.executable, "-m", program, str(subset.data)],
        *["--user-dir", str(Path(nmt_prune.__file__).parent), "--path", str(checkpoint)],
        *["--source-lang", subset.source, "--target-lang", subset.target, "--gen-subset", subset.name],
        *["--results-path", str(results), "--no-progress-bar"],
        # By default (8) fairseq drops a last batch of another size: up to seven sentences are never translated.
        *["--required-batch-size-multiple", "1"],
        # On all GPUs in sight, fairseq's default, each would write its share of the hypotheses to the same file.
        *["--distributed-world-size", "1"],
        # Lines that the model has no positions for: without this fairseq translates none at all.
        "--skip-invalid-size-inputs-valid-test",
        *decoding.flags(),
    ]


def translate(checkpoint: Checkpoint, subset: Subset, decoding: Decoding) -> Translation:
    """Translates a subset.

    Args:
        checkpoint: a checkpoint of any fairseq translation model.
        subset: what to translate.
        decoding: how.

    Raises:
        PruneError: fairseq is missing, fairseq-generate fails, or its hypotheses are not one per line of the reference.
    """
    remove_bpe, join = joining(checkpoint, subset, decoding.remove_bpe, decoding.extra, decoding.splitting)
    plain = replace(decoding, remove_bpe=remove_bpe)
    with temporary_folder() as folder:
        command = generate_command(checkpoint.path, subset, plain, folder)
        variables = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"), "LOGLEVEL": "INFO"}
        log = run_fairseq(command, str(checkpoint.path), variables).stderr
        output = (folder / f"generate-{subset.name}.txt").read_text(encoding="utf-8")
    # fairseq logs into its results unless something has set up logging before.
    too_long = sum(int(match[1].replace(",", "")) for match in _LEFT_OUT.finditer(log + output))
    hypotheses = parse_hypotheses(output.split("\n"))
    found = in_order(hypotheses, len(subset.references()), str(subset.reference), too_long)
    if join is None:
        return found
    return replace(found, lines=[join(line.split(" ")) if line else "" for line in found.lines])


def run_fairseq(
    command: list[str], checkpoint: str, variables: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Runs a program of fairseq.

    Args:
        command: its command line.
        checkpoint: what to call the model in messages.
        variables: environment variables to set.

    Returns:
        The finished process, with what it printed and logged.

    Raises:
        PruneError: fairseq is missing, or the program fails.
    """
    if importlib.util.find_spec("fairseq_cli") is None:
        raise PruneError("fairseq is not installed here; pip install 'nmt-prune[fairseq]'")
    environment = {**os.environ, **variables}
    process = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment)
    if process.returncode != 0:
        raise PruneError(f"fairseq-generate failed on {checkpoint}: {error_line(process.stderr)}")
    return process


def parse_hypotheses(lines: Iterable[str]) -> list[tuple[int, str]]:
    """Finds the hypotheses in the output of fairseq-generate.

    Returns:
        Pairs of sample id and detokenized text in the order of the output, which is by length.
    """
    matches = filter(None, map(_HYPOTHESIS.fullmatch, lines))
    return [(int(match[1]), match[2]) for match in matches]


def in_order(hypotheses: Iterable[tuple[int, str]], count: int, reference: str, too_long: int = 0) -> Translation:
    """Puts hypotheses into the order of the text.

    Args:
        hypotheses: pairs of sample id and text.
        count: number of sentences there should be.
        reference: what to call the text in messages.
        too_long: number of sentences that fairseq has left out as too long.

    Raises:
        PruneError: another sentence has no hypothesis, or one has several, or there are more than ``count``.
    """
    by_sample: dict[int, str] = {}
    for sample, text in hypotheses:
        if sample in by_sample:
            raise PruneError(f"fairseq-generate gave several hypotheses for sentence {sample}; --nbest must be 1")
        by_sample[sample] = text
    missing = [sample for sample in range(count) if sample not in by_sample]
    if len(missing) != too_long or len(by_sample) + too_long != count:
        first = f" (none for line {missing[0] + 1})" if missing else ""
        raise PruneError(
            f"{len(by_sample)} hypotheses for the {count} lines of {reference}{first}: the binarized subset is another"
            " text, or the model is broken"
        )
    lines = [by_sample.get(sample, "") for sample in range(count)]
    return Translation(lines, tuple(sample + 1 for sample in missing))


def error_line(stderr: str) -> str:
    """The line of a failed command's stderr that says why: the last exception, else the last line."""
    lines = [line for line in stderr.splitlines() if line.strip()] or ["no message"]
    if refused := refusal(lines):
        return refused
    exceptions = [index for index, line in enumerate(lines) if _EXCEPTION.match(line)]
    return with_reason(lines, exceptions[-1] if exceptions else len(lines) - 1).removeprefix("nmt-prune: error: ")
