import subprocess
from pathlib import Path

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.subset import Subset
from nmt_prune.evaluation.translation import Decoding, error_line, in_order, parse_hypotheses, translate

OUTPUT = """2026-01-01 12:00:00 | INFO | fairseq_cli.generate | {'task': 'D-7'}
S-1\tthree
T-1\tdrei
H-1\t-0.25\t\u2581drei
D-1\t-0.25\tdrei
P-1\t-0.1 -0.4
H-0\t-1.5\t
D-0\t-1.5\t
D-2\t-0.5\ta\u2028b\tc
Generate test with beam=5: BLEU4 = 20.00
"""


@pytest.fixture
def subset(tmp_path):
    reference = tmp_path / "test.de"
    reference.write_text("eins\nzwei\ndrei\n")
    return Subset(tmp_path, "test", "en", "de", reference)


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def generate(monkeypatch):
    """Stands in for fairseq-generate: writes an output, or fails with a message."""
    commands = []

    def replace(output=None, stderr="", status=0):
        def run(command, **_):
            commands.append(command)
            if output is not None:
                folder = Path(command[command.index("--results-path") + 1])
                (folder / "generate-test.txt").write_text(output, encoding="utf-8")
            return subprocess.CompletedProcess(command, status, "", stderr)

        monkeypatch.setattr(subprocess, "run", run)
        return commands

    return replace


def test_parses_decoded_hypotheses_only():
    assert parse_hypotheses(OUTPUT.split("\n")) == [(1, "drei"), (0, ""), (2, "a\u2028b\tc")]


def test_hypotheses_come_in_the_order_of_the_text(generate, subset, checkpoint):
    generate(OUTPUT)
    assert translate(checkpoint, subset, Decoding()).lines == ["", "drei", "a\u2028b\tc"]


def test_lines_that_are_too_long_have_empty_hypotheses(generate, subset, checkpoint):
    warning = "1 samples have invalid sizes and will be skipped, max_positions=(1024, 1024), first few sample ids=[1]\n"
    shorter = OUTPUT.replace("D-1\t-0.25\tdrei\n", "")
    commands = generate(shorter, f"2026 | WARNING | fairseq.tasks.fairseq_task | {warning}")
    translation = translate(checkpoint, subset, Decoding())
    assert (translation.lines, translation.left_out) == (["", "", "a\u2028b\tc"], (2,))
    assert "--skip-invalid-size-inputs-valid-test" in commands[0]
    generate(shorter)
    with pytest.raises(PruneError, match=r"2 hypotheses for the 3 lines of .* \(none for line 2\)"):
        translate(checkpoint, subset, Decoding())


def test_command_line(generate, subset, checkpoint):
    commands = generate(OUTPUT)
    translate(checkpoint, subset, Decoding(beam=4, lenpen=0.6, max_tokens=99, cpu=True, extra=("--fp16",)))
    words = " ".join(commands[0])
    assert f"-m fairseq_cli.generate {subset.data} --user-dir" in words
    assert f"--path {checkpoint} --source-lang en --target-lang de --gen-subset test" in words
    assert words.endswith("--beam 4 --lenpen 0.6 --max-tokens 99 --remove-bpe sentencepiece --cpu --fp16")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([(0, "a"), (2, "c")], r"2 hypotheses for the 3 lines of text \(none for line 2\): the binarized"),
        ([(0, "a"), (1, "b"), (2, "c"), (3, "d")], r"4 hypotheses for the 3 lines of text: the binarized"),
        ([(0, "a"), (0, "b"), (1, "c")], r"several hypotheses for sentence 0; --nbest must be 1"),
        ([], r"0 hypotheses for the 3 lines"),
    ],
)
def test_not_one_hypothesis_per_line(found, message):
    with pytest.raises(PruneError, match=message):
        in_order(found, 3, "text")


def test_a_failure_is_one_line(generate, subset, checkpoint):
    trace = 'Traceback (most recent call last):\n  File "x.py", line 1\nRuntimeError: sizes differ\n\tof q_proj\n'
    generate(stderr=f"a warning\n{trace}", status=1)
    with pytest.raises(PruneError, match=rf"^fairseq-generate failed on {checkpoint}: RuntimeError: sizes differ$"):
        translate(checkpoint, subset, Decoding())


@pytest.mark.parametrize(
    ("stderr", "line"),
    [
        ("", "no message"),
        (
            "usage: ...\ngenerate.py: error: unrecognized arguments: --foo\n",
            "generate.py: error: unrecognized arguments: --foo",
        ),
        ("nmt-prune: error: masks do not fit\n", "masks do not fit"),
        (
            "KeyError: 'a'\nDuring handling\nomegaconf.errors.ConfigAttributeError: b\n",
            "omegaconf.errors.ConfigAttributeError: b",
        ),
    ],
)
def test_error_line(stderr, line):
    assert error_line(stderr) == line


def test_missing_checkpoint(subset, tmp_path):
    with pytest.raises(PruneError, match=r"none\.pt does not exist"):
        translate(tmp_path / "none.pt", subset, Decoding())


def test_missing_fairseq(subset, checkpoint, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PruneError, match=r"pip install 'nmt-prune\[fairseq\]'"):
        translate(checkpoint, subset, Decoding())
