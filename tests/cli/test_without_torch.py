"""What plain ``pip install`` brings is enough to translate; all else says in one line what to install."""

import json
import subprocess
import sys
import tomllib
from dataclasses import replace

import pytest
import sentencepiece
import typer

from nmt_prune.cli import app
from nmt_prune.runtime.translator import Translator
from nmt_prune.storage.format.compact_file import save_compact
from tests.only_installed import REPOSITORY, environment
from tests.runtime.models import random_model

TEXT = ["w1 w2 w3", "w4 w1", "w2 w2 w7"]
NEEDS_NONE = ("user-dir", "translate", "profile")
READS_FIRST = {
    "shortlist": "scipy is not installed here; pip install scipy",
    "status": "recipe absent does not exist",
    "transfer": "absent has no binarized text",
    "export marian": "model absent cannot be read: No such file",
}
"""Commands that first look at their input, which is not there."""
PROGRAM = """
import json, sys
from nmt_prune.cli import main
for command in json.loads(sys.argv[1]):
    sys.argv = ["nmt-prune", *command]
    try:
        main()
    except SystemExit as end:
        if end.code not in (0, 1):
            raise
"""


def commands(group: object, words: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Every command with arguments that it takes."""
    if (below := getattr(group, "commands", None)) is not None:
        return {name: line for word, one in below.items() for name, line in commands(one, (*words, word)).items()}
    line = list(words)
    for parameter in group.params:
        if parameter.required:
            line += [] if parameter.param_type_name == "argument" else [parameter.opts[0]]
            line.append("0.5" if parameter.name == "sparsity" else "absent")
    return {" ".join(words): line}


def test_only_translating(tmp_path):
    pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine was not built")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT * 4), model_prefix=str(tmp_path / "sp"), vocab_size=10, minloglevel=9
    )
    model = replace(
        random_model(),
        text={"bpe": "sentencepiece", "tokenizer": "moses", "source_lang": "en", "target_lang": "de"},
        sentencepiece=(tmp_path / "sp.model").read_bytes(),
    )
    save_compact(model, tmp_path / "model.nmt")
    (tmp_path / "text").write_text("\n".join(TEXT) + "\n")
    others = {name: line for name, line in commands(typer.main.get_command(app)).items() if name not in NEEDS_NONE}
    lines = [
        ["translate", "model.nmt", "--input", "text", "--output", "out"],
        ["translate", "model.nmt", "--input", "text", "--engine", "torch"],
        *others.values(),
    ]
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(lines)],
        cwd=tmp_path,
        env=environment(project["dependencies"], tmp_path),
        capture_output=True,
        text=True,
    )
    expected = [result.lines[0] for result in Translator(tmp_path / "model.nmt").translate_lines(TEXT)]
    assert (tmp_path / "out").read_text().splitlines() == expected
    assert all(expected)
    errors = ended.stderr.splitlines()
    assert len(errors) == len(lines) - 1, ended.stderr
    for name, error in zip(["--engine torch", *others], errors, strict=True):
        said = READS_FIRST.get(name, "torch is not installed here; pip install 'nmt-prune[fairseq]'")
        assert error.startswith(f"nmt-prune: error: {said}"), name
