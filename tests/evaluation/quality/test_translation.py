import subprocess
from pathlib import Path

import pytest
import torch

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.evaluation.quality.translation import Decoding, error_line, in_order, parse_hypotheses, translate

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
    (tmp_path / "dict.de.txt").write_text("▁drei 1\n▁a 1\nb 1\n")
    return Subset(tmp_path, "test", "en", "de", reference)


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"model": {}, "cfg": {}}, path)
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
    assert translate(Checkpoint.load(checkpoint), subset, Decoding()).lines == ["", "drei", "a\u2028b\tc"]


def test_lines_that_are_too_long_have_empty_hypotheses(generate, subset, checkpoint):
    warning = "1 samples have invalid sizes and will be skipped, max_positions=(1024, 1024), first few sample ids=[1]\n"
    shorter = OUTPUT.replace("D-1\t-0.25\tdrei\n", "")
    commands = generate(shorter, f"2026 | WARNING | fairseq.tasks.fairseq_task | {warning}")
    translation = translate(Checkpoint.load(checkpoint), subset, Decoding())
    assert (translation.lines, translation.left_out) == (["", "", "a\u2028b\tc"], (2,))
    assert "--skip-invalid-size-inputs-valid-test" in commands[0]
    generate(shorter)
    with pytest.raises(PruneError, match=r"2 hypotheses for the 3 lines of .* \(none for line 2\)"):
        translate(Checkpoint.load(checkpoint), subset, Decoding())


def test_subwords_are_joined_by_the_marks_in_the_dictionary(generate, subset, checkpoint, tmp_path):
    output = OUTPUT.replace("D-1\t-0.25\tdrei", "D-1\t-0.25\t▁d rei <0xF0> <0x9F> <0x98> <0x80> ▁!")
    commands = generate(output)
    assert translate(Checkpoint.load(checkpoint), subset, Decoding()).lines[1] == "drei😀 !"
    (tmp_path / "dict.de.txt").write_text("d@@ 1\nrei 1\n")
    generate(OUTPUT.replace("D-1\t-0.25\tdrei", "D-1\t-0.25\td@@ rei !"))
    assert [
        translate(Checkpoint.load(checkpoint), subset, Decoding(remove_bpe=kind)).lines[1] for kind in (None, "@@ ")
    ] == ["drei !"] * 2
    assert "--remove-bpe" not in commands[0]
    (tmp_path / "dict.de.txt").write_text("d 1\nĠrei 1\n")
    generate(OUTPUT.replace("D-1\t-0.25\tdrei", "D-1\t-0.25\td rei Ġâĺĥ"))
    assert translate(Checkpoint.load(checkpoint), subset, Decoding()).lines[1] == "drei ☃"


def test_words_are_joined_as_the_tokenizer_of_the_training_split_them(generate, subset, checkpoint, tmp_path):
    task = {"eval_bleu": True, "eval_bleu_detok": "moses", "eval_bleu_detok_args": "{}"}
    for cfg in ({"tokenizer": {"_name": "moses"}}, {"task": task}):
        torch.save({"model": {}, "cfg": cfg}, checkpoint)
        generate(OUTPUT.replace("D-1\t-0.25\tdrei", "D-1\t-0.25\t▁drei ▁!"))
        assert translate(Checkpoint.load(checkpoint), subset, Decoding()).lines[1] == "drei!"


def test_fairseq_joins_where_its_flags_are_about_subwords(generate, subset, checkpoint):
    for extra in (("--bpe", "sentencepiece"), ("--post-process=sentencepiece",), ("--tokenizer", "moses")):
        commands = generate(OUTPUT)
        assert translate(Checkpoint.load(checkpoint), subset, Decoding(extra=extra)).lines[2] == "a\u2028b\tc"
        assert ("--remove-bpe" in commands[-1]) == ("--tokenizer" in extra)


@pytest.mark.parametrize(
    ("dictionary", "asked", "message"),
    [
        ("d@@ 1\nrei 1\n", "sentencepiece", "--remove-bpe sentencepiece .* has subwords of the kind subword_nmt"),
        ("▁drei 1\n", "subword_nmt", "--remove-bpe subword_nmt .* has subwords of the kind sentencepiece"),
        ("drei 1\n", "sentencepiece", "--remove-bpe sentencepiece would leave no text: .* has no ▁; leave"),
        ("▁drei 1\ndr@@ 1\n", None, r"dict.de.txt does not say .*\(1 by sentencepiece, 1 by subword_nmt, of 2 symbols"),
    ],
)
def test_subwords_that_the_dictionary_does_not_hold(subset, checkpoint, tmp_path, dictionary, asked, message):
    (tmp_path / "dict.de.txt").write_text(dictionary)
    with pytest.raises(PruneError, match=message):
        translate(Checkpoint.load(checkpoint), subset, Decoding(remove_bpe=asked))


def test_command_line(generate, subset, checkpoint):
    commands = generate(OUTPUT)
    translate(
        Checkpoint.load(checkpoint), subset, Decoding(beam=4, lenpen=0.6, max_tokens=99, cpu=True, extra=("--fp16",))
    )
    words = " ".join(commands[0])
    assert f"-m fairseq_cli.generate {subset.data} --user-dir" in words
    assert f"--path {checkpoint} --source-lang en --target-lang de --gen-subset test" in words
    assert words.endswith("--beam 4 --lenpen 0.6 --max-tokens 99 --cpu --fp16")


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
        translate(Checkpoint.load(checkpoint), subset, Decoding())


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
        translate(Checkpoint.load(tmp_path / "none.pt"), subset, Decoding())


def test_missing_fairseq(subset, checkpoint, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PruneError, match=r"pip install 'nmt-prune\[fairseq\]'"):
        translate(Checkpoint.load(checkpoint), subset, Decoding())
