"""How long products take, measured once per machine."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")
from nmt_prune.runtime import product_times as module
from nmt_prune.runtime.product_times import product_time

SECONDS = {
    tokens: {"dense": dense, "sparse 0.05": 0.5, "sparse 0.2": 2.0}
    for tokens, dense in (("1", 4.0), ("5", 8.0), ("64", 20.0))
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    module._times.cache_clear()
    yield tmp_path / "nmt-prune"
    module._times.cache_clear()


def test_time_is_a_line_through_two_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "measure", lambda values: SECONDS)
    assert product_time("sparse", 0.4, "float16", 1) == pytest.approx(4.0)
    assert product_time("sparse", 0.02, "float16", 6) == pytest.approx(0.2)
    assert [product_time("dense", 1.0, "float16", tokens) for tokens in (1, 6, 400)] == [4.0, 8.0, 20.0]


def test_time_does_not_fall_with_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = {tokens: {**times, "sparse 0.2": 0.4} for tokens, times in SECONDS.items()}
    monkeypatch.setattr(module, "measure", lambda values: noisy)
    assert product_time("sparse", 0.9, "float32", 5) == 0.5


def test_it_is_measured_once_per_machine(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(module, "measure", lambda values: calls.append(values) or SECONDS)
    for _ in range(2):
        product_time("dense", 1.0, "float32", 5)
        module._times.cache_clear()
    assert calls == ["float32"]
    (path,) = cache.iterdir()
    path.write_text("{", encoding="utf-8")
    assert product_time("dense", 1.0, "float32", 1) == 4.0
    assert json.loads(path.read_text(encoding="utf-8"))["seconds"] == SECONDS
    assert len(calls) == 2


def test_another_engine_is_measured_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "measure", lambda values: SECONDS)
    for digest in ("one", "another"):
        monkeypatch.setattr(module, "file_digest", lambda path, digest=digest: digest)
        product_time("dense", 1.0, "float32", 5)
        module._times.cache_clear()
    assert len(list(cache.iterdir())) == 2


def test_without_a_place_for_it_it_is_measured_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "measure", lambda values: SECONDS)
    cache.parent.joinpath("nmt-prune").write_text("a file, not a folder", encoding="utf-8")
    assert product_time("dense", 1.0, "float32", 1) == 4.0


@pytest.mark.parametrize("values", ["float32", "float16", "int8"])
def test_what_is_measured(values: module.Values, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHAPE", (256, 512))
    monkeypatch.setattr(module, "BYTES", 1 << 14)
    sizes = {"float32": 4, "float16": 2, "int8": 1}
    monkeypatch.setattr(module, "_time", lambda matrices, x: float(len(x) * matrices[0].nbytes))
    seconds = module.measure(values)
    assert list(seconds) == ["1", "5", "64"]
    build = module._engine.Matrix.dense_int8 if values == "int8" else module._engine.Matrix.dense
    assert module._are_times(seconds, values)
    for tokens, times in seconds.items():
        assert times["dense"] == int(tokens) * build(np.zeros((256, 512), np.float32)).nbytes
        # Three times as many values and their indices; what else there is of a matrix is the same.
        more = (times["sparse 0.2"] - times["sparse 0.05"]) / int(tokens) / (0.15 * 256 * 512)
        assert sizes[values] < more < sizes[values] + 5
        if values == "int8":
            more = (times["blocks 0.2"] - times["blocks 0.05"]) / int(tokens) / (0.15 * 256 * 512)
            assert more == pytest.approx(34 / 32, rel=0.1)


def test_other_work_in_most_rounds_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHAPE", (64, 32))
    monkeypatch.setattr(module, "BYTES", 1 << 12)
    calls = 3 * 5  # of a round: numbers of tokens, forms
    undisturbed = {call: call % module.ROUNDS for call in range(calls)}  # each in another round
    done = iter(range(calls * module.ROUNDS))

    def time(matrices: object, x: object) -> float:
        turn, call = divmod(next(done), calls)
        return float(call) if turn == undisturbed[call] else 100.0 + turn

    monkeypatch.setattr(module, "_time", time)
    seconds = module.measure("int8")
    assert [time for times in seconds.values() for time in times.values()] == list(range(calls))


def test_a_time_is_that_of_one_product_when_all_matrices_were_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    class Matrix:
        products = 0

        def multiply(self, x: object) -> None:
            Matrix.products += 1

    now = iter([1.0, 7.0])
    monkeypatch.setattr(module.time, "thread_time", lambda: next(now))
    assert module._time([Matrix(), Matrix(), Matrix()], np.zeros((1, 2), np.float32)) == 2.0
    assert Matrix.products == 6


ODD = (None, 5, [], {}, "1", float("nan"), float("inf"), -1.0, True, {"dense": 1.0})


@pytest.mark.parametrize("odd", ODD, ids=map(str, ODD))
@pytest.mark.parametrize("place", [(), ("seconds",), ("seconds", "5"), ("seconds", "5", "sparse 0.2"), ("machine",)])
def test_what_does_not_belong_in_the_cache_is_measured_anew(
    cache: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[str, ...], odd: object
) -> None:
    monkeypatch.setattr(module, "measure", lambda values: SECONDS)
    product_time("dense", 1.0, "float32", 5)
    (path,) = cache.iterdir()
    whole = json.loads(path.read_text(encoding="utf-8"))
    changed = json.loads(json.dumps(whole))
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    if place:
        inner[place[-1]] = odd
    path.write_text(json.dumps(changed if place else odd), encoding="utf-8")
    module._times.cache_clear()
    assert product_time("dense", 1.0, "float32", 5) == 8.0
    assert json.loads(path.read_text(encoding="utf-8")) == whole


def test_somebody_without_a_home_has_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(module.Path, "home", no_home)
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(module, "measure", lambda values: SECONDS)
    assert product_time("dense", 1.0, "float32", 1) == 4.0
    assert len(list(tmp_path.rglob("product-times-*.json"))) == 1
