"""The server of the runtime's README."""

import asyncio

import pytest

from nmt_prune.runtime.translator import Translator
from nmt_prune.storage.format.compact_file import save_compact
from tests.benchmarks.serving import server_code
from tests.runtime.models import random_model


def test_it_answers_as_the_translator(tmp_path, monkeypatch):
    pytest.importorskip("fastapi")
    path = tmp_path / "model.nmt"
    save_compact(random_model(), path)
    monkeypatch.setenv("MODEL", str(path))
    serve = {}
    exec(server_code(), serve)
    lines = ["w1 w2", "w3", "", "w4 " * 2000]

    async def answers():
        return await asyncio.gather(*(serve["translate"](serve["Text"](lines=lines)) for _ in range(8)))

    results = Translator(path).translate_lines(lines)
    expected = [result.lines[0] if result.lines else None for result in results]
    assert expected[3] is None
    assert asyncio.run(answers()) == [expected] * 8
