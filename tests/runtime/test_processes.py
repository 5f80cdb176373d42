"""A translator in other threads and processes than those that made it."""

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from nmt_prune.runtime.engines import make_engine
from nmt_prune.runtime.translator import Translator
from nmt_prune.storage.format.compact_file import save_compact
from nmt_prune.storage.model.splitting import Splitting
from tests import programs
from tests.runtime.models import random_model

SOURCE = [["w1", "w2", f"w{number}"] for number in range(3, 9)] * 3


def is_built() -> bool:
    try:
        return bool(make_engine(random_model(), "compiled"))
    except Exception:
        return False


ENGINES = ["torch", pytest.param("compiled", marks=pytest.mark.skipif(not is_built(), reason="needs the engine"))]


@pytest.fixture
def model(tmp_path):
    save_compact(random_model(), tmp_path / "model.nmt")
    return tmp_path / "model.nmt"


def translate(translator: Translator) -> list[list[list[str]]]:
    results = translator.translate_batch(SOURCE, max_batch_size=4, max_decoding_length=9)
    return [result.hypotheses for result in results]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_forked_process_goes_on_with_it(model, engine):
    # In a process of its own, with two threads for each product: pytest's has other threads by now.
    code = f"""
import os, signal, sys
from tests.runtime.test_processes import translate, Translator
translator = Translator({str(model)!r}, {engine!r}, threads=2)
Translator({str(model)!r}, {engine!r}).translate_batch([["w1"] * 40] * 32)
expected, child = translate(translator), os.fork()
if child == 0:
    signal.alarm(60)
    again = translate(translator) == translate(Translator({str(model)!r}, {engine!r})) == expected
    os._exit(0 if again else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    assert subprocess.run([sys.executable, "-c", code], env=environment, timeout=120).returncode == 0


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("cache", [0, 5])
def test_threads_share_one(model, engine, cache):
    translator, beams = Translator(model, engine, threads=2, cache=cache), (1, 2, 3, 5)

    def found(beam: int) -> list[object]:
        return translator.translate_batch(SOURCE, beam_size=beam, max_decoding_length=9, return_scores=not cache)

    expected = [found(beam) for beam in beams]
    together = threading.Barrier(len(beams), timeout=60)

    def again(beam: int) -> list[object]:
        together.wait()
        return found(beam)

    with ThreadPoolExecutor(len(beams)) as pool:
        for _ in range(3):
            assert list(pool.map(again, beams)) == expected


@pytest.mark.parametrize("engine", ENGINES)
def test_it_is_pickled_by_its_path(model, engine, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    translator = Translator("model.nmt", engine, threads=2, values="float16")
    monkeypatch.chdir("/")
    for again in (pickle.loads(pickle.dumps(translator)), copy.deepcopy(translator)):
        assert translate(again) == translate(translator)


def test_what_was_said_about_the_splitting_is_pickled_too(tmp_path, monkeypatch):
    model = replace(random_model(), text={"bpe": "subword_nmt"})
    save_compact(model, tmp_path / "model.nmt")
    (tmp_path / "codes").write_text("#version: 0.2\nw 1\nw1 2</w>\n")
    monkeypatch.chdir(tmp_path)
    translator = Translator("model.nmt", "torch", splitting=Splitting(bpe_codes=Path("codes")))
    monkeypatch.chdir("/")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that there are no codes
        again = pickle.loads(pickle.dumps(translator))
    lines = ["w12 w1"]
    expected = [result.tokens for result in translator.translate_lines(lines)]
    assert [result.tokens for result in again.translate_lines(lines)] == expected


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_processes_are_given_one(model, method):
    programs.server()  # else one that has imported nothing would be that of all tests
    translator = Translator(model, threads=2)
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply_async(translate, [translator]).get(60) == translate(translator)


def test_one_without_a_path_cannot_be_pickled():
    with pytest.raises(TypeError, match="a Translator of a model in memory cannot be pickled; make it from the path"):
        pickle.dumps(Translator(random_model(), "torch"))
