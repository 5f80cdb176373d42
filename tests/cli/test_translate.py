"""``nmt-prune translate``: what goes in, comes out, and is said."""

import json
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from nmt_prune.cli import app
from nmt_prune.errors import PruneError
from nmt_prune.runtime import translator
from tests.runtime.echo import EchoEngine, echo_model

ECHO = [sys.executable, "-m", "tests.runtime.echo", "translate", "model.nmt"]


@pytest.fixture
def translate(monkeypatch):
    """``translate(input, flags...)`` gives stdout and the lines of stderr."""
    engines = []

    def make_engine(model, kind):
        engines.append(EchoEngine(model))
        return engines[-1]

    monkeypatch.setattr(translator, "make_engine", make_engine)
    monkeypatch.setattr(translator, "load_model", lambda *_, **__: echo_model())

    def run(text: bytes | str, *flags: object) -> tuple[str, list[str]]:
        stdin = text if isinstance(text, bytes) else text.encode()
        result = CliRunner().invoke(app, ["translate", "model.nmt", *map(str, flags)], input=stdin)
        if isinstance(result.exception, PruneError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout_bytes.decode(), result.stderr.splitlines()

    run.engines = engines
    return run


def test_lines_in_their_order(translate):
    text = "".join(f"{'one ' * (7 * number % 11)}two\n" for number in range(50))
    out, errors = translate(text, "--batch-size", 4, "--buffer-size", 20)
    assert out == text
    assert errors == []
    assert [len(batch) for batch in translate.engines[0].batches] == [4] * 5 + [4] * 5 + [4, 4, 2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("\n", "\n"),
        ("one\n\n  \ntwo\n", "one\n\n\ntwo\n"),
        ("one\ntwo", "one\ntwo\n"),
        ("one\r\ntwo three\r\n", "one\ntwo three\n"),
        ("one\rtwo\n", "one two\n"),
        ("one\u2028two\u0085three\x0cfour\n", "one two three four\n"),
        ("one seven two\n", "one <unk> two\n"),
        ("  one\ttwo  \n", "one two\n"),
    ],
)
def test_unusual_lines(translate, text, expected):
    assert translate(text) == (expected, [])


def test_what_is_not_utf8_is_replaced_and_said(translate):
    out, errors = translate(b"one\ntwo \xff\xfe\xc3\xa4\nthree\n\xe2\x82\n")
    assert out.split("\n") == ["one", "two <unk>", "three", "�", ""]
    assert errors == [
        "nmt-prune: warning: line 2 is not UTF-8 (byte 5); what cannot be read is taken for U+FFFD",
        "nmt-prune: warning: line 4 is not UTF-8 (byte 1); what cannot be read is taken for U+FFFD",
    ]


def test_a_line_that_is_too_long_becomes_an_empty_one(translate):
    out, errors = translate("one\n" + "two " * 25_000 + "\nthree\n")
    assert out == "one\n\nthree\n"
    problem = "its 25001 tokens are more than the 50 that the model can read"
    assert errors == [f"nmt-prune: warning: line 2 is not translated: {problem}"]


def test_nbest(translate):
    out, _ = translate("one two three\n\nfour\n", "--nbest", 2)
    assert out == (
        "0\t-0.500000\tone two three\n0\t-1.500000\tone two\n1\t0.000000\t\n1\t0.000000\t\n"
        "2\t-0.500000\tfour\n2\t-1.500000\t\n"
    )


def test_json(translate):
    out, _ = translate("one ä\n\n" + "two " * 60 + "\n", "--json", "--nbest", 2)
    assert [json.loads(line) for line in out.splitlines()] == [
        {"hypotheses": ["one ä", "one"], "scores": [-0.5, -1.5], "tokens": [["one", "ä"], ["one"]]},
        {"hypotheses": ["", ""], "scores": [0, 0], "tokens": [[], []]},
        {"hypotheses": [], "scores": [], "tokens": []},
    ]
    assert "ä" in out


def test_alignments(translate):
    lines = "one ä seven\n\n" + "two " * 60 + "\n"
    assert translate(lines, "--print-alignment", "hard")[0] == "one ä <unk>\t0-0 1-1 2-2\n\t\n\t\n"
    soft = "0.750000,0.250000 0.000000,1.000000"
    assert translate("one\n", "--print-alignment", "soft", "--nbest", 2)[0] == (
        f"0\t-0.500000\tone\t{soft}\n0\t-1.500000\t\t0.750000,0.250000\n"
    )
    out, _ = translate(lines, "--print-alignment", "hard", "--json", "--nbest", 2)
    first, nothing, too_long = (json.loads(line) for line in out.splitlines())
    assert first["alignments"] == [[[0, 0], [1, 1], [2, 2]], [[0, 0], [1, 1]]]
    assert first["source"] == ["one", "ä", "seven"]
    assert nothing["alignments"] == [[], []]
    assert too_long["alignments"] == []
    out, _ = translate("one\n", "--print-alignment", "soft", "--json")
    assert json.loads(out)["attention"] == [[[0.75, 0.25], [0, 1]]]


def test_prefixes(translate, tmp_path):
    prefixes = tmp_path / "prefixes"
    prefixes.write_text("\nfour\n", encoding="utf-8")
    assert translate("one\ntwo\n", "--prefix", prefixes)[0] == "one\nfour two\n"
    prefixes.write_text("\nfour one\n", encoding="utf-8")
    assert translate("one\ntwo\n", "--prefix", prefixes, "--prefix-size", 1)[0] == "one\nfour two\n"
    with pytest.raises(PruneError, match="not as many prefixes as lines"):
        translate("one\ntwo\nthree\n", "--prefix", prefixes)


def test_files(translate, tmp_path):
    source, target = tmp_path / "source", tmp_path / "folder" / "target"
    source.write_text("one\ntwo\n")
    assert translate("", "--input", source, "--output", target) == ("", [])
    assert target.read_text() == "one\ntwo\n"
    assert [path.name for path in target.parent.iterdir()] == ["target"]
    with pytest.raises(PruneError, match=r"missing cannot be read: No such file"):
        translate("", "--input", tmp_path / "missing", "--output", target)
    with pytest.raises(PruneError, match=r"folder: it is a folder; name a file"):
        translate("", "--input", source, "--output", target.parent)
    source.write_text("one\n" * 3)
    with pytest.raises(PruneError, match="not as many prefixes"):
        translate("", "--input", source, "--output", target, "--prefix", target)
    assert target.read_text() == "one\ntwo\n"


def test_progress_is_counted_on_stderr(translate):
    out, errors = translate("one\ntwo\n", "--progress")
    assert out == "one\ntwo\n"
    assert re.fullmatch(r"2 sentences, [\d,.]+ per second", errors[-1])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--nbest", 6], "--nbest 6 is more than --beam 5"),
        (["--beam", 0], "--beam 0"),
        (["--min-len", -1], "--min-len"),
        (["--prefix-size", 2], "--prefix-size 2 does nothing without --prefix; give the file"),
        (["--sampling-topk", 2], "--sampling-topk 2 does nothing without --sampling; add it"),
        (["--seed", 1], "--seed 1 does nothing without --sampling; add it"),
        (["--sampling", "--cache", 9], "--sampling draws each sentence anew, and --cache would repeat it"),
        (["--lenpen", 2, "--unnormalized"], "--lenpen 2.0 does nothing with --unnormalized"),
        (["--interactive", "--buffer-size", 9], "--buffer-size 9 does nothing with --interactive"),
        (["--interactive", "--threads", 2], "--threads 2 does nothing with --interactive"),
        (["--print-alignment", "both"], "--print-alignment both is unknown; choose hard or soft"),
    ],
)
def test_options_are_refused_before_anything_is_read(translate, flags, message):
    with pytest.raises(PruneError, match=message):
        translate("one\n", *flags)
    assert translate.engines == []


def test_it_answers_line_by_line():
    process = subprocess.Popen([*ECHO, "--interactive"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        for line in (b"one two\n", b"\n", b"three\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == line
        process.stdin.close()
        assert process.wait(30) == 0


def test_the_compiled_engine_needs_no_torch():
    process = subprocess.run(ECHO, input="one two\n", capture_output=True, text=True)
    assert process.stdout == "one two\n"
    assert process.stderr == "imported: []\n"


def test_a_pipe_that_is_closed_ends_it_quietly():
    process = subprocess.Popen(
        [*ECHO, "--buffer-size", "10"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    _, errors = process.communicate(b"one two three\n" * 20_000)
    assert errors == b"imported: []\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty, neither a compact model nor a checkpoint"),
        (b"#!/bin/sh\necho hello\n", "is a text, neither a compact model nor a checkpoint"),
        (b"PK\x03\x04 and then nothing", "cannot be read as a checkpoint"),
        (b"\x80\x02\x00\x00\x00\x00\x00\x00{}", "model.nmt"),
    ],
)
def test_files_that_are_no_models(content, message, tmp_path):
    path = tmp_path / "model.nmt"
    if content is not None:
        path.write_bytes(content)
    result = CliRunner().invoke(app, ["translate", str(path)], input="one\n")
    assert isinstance(result.exception, PruneError)
    assert re.search(message, str(result.exception))
    assert len(str(result.exception).splitlines()) == 1


def test_a_folder_is_no_model(tmp_path):
    result = CliRunner().invoke(app, ["translate", str(tmp_path)], input="one\n")
    advice = "give a file: a compact model (*.nmt) or a checkpoint (*.pt)"
    assert str(result.exception) == f"{tmp_path} is a folder; {advice}"
