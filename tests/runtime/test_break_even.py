"""Where sparse products begin to pay."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")
from nmt_prune.runtime import break_even as module
from nmt_prune.runtime.break_even import break_even

SECONDS = {
    tokens: {"dense": dense, "0.05": 0.5, "0.2": 2.0} for tokens, dense in (("1", 4.0), ("5", 8.0), ("64", 20.0))
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    module._times.cache_clear()
    yield tmp_path / "nmt-prune"
    module._times.cache_clear()


def test_a_line_through_two_densities_meets_the_dense_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "measure", lambda values, dense: SECONDS)
    assert break_even("float16", "dense", 1) == pytest.approx(0.4)
    assert break_even("float16", "dense", 6) == pytest.approx(0.8)
    assert break_even("float16", "dense", 400) == 1.0


def test_it_may_never_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = {tokens: {**times, "dense": 0.2} for tokens, times in SECONDS.items()}
    monkeypatch.setattr(module, "measure", lambda values, dense: slow)
    assert break_even("int8", "dense-int8", 5) == pytest.approx(0.02)
    slow["5"]["dense"] = 1e-9
    assert break_even("int8", "dense-int8", 5) == pytest.approx(0.0, abs=1e-6)


def test_it_is_measured_once_per_machine(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(module, "measure", lambda *forms: calls.append(forms) or SECONDS)
    for _ in range(2):
        break_even("float32", "dense", 5)
        module._times.cache_clear()
    assert calls == [("float32", "dense")]
    (path,) = cache.iterdir()
    path.write_text("{", encoding="utf-8")
    assert break_even("float32", "dense", 1) == pytest.approx(0.4)
    assert json.loads(path.read_text(encoding="utf-8"))["seconds"] == SECONDS
    assert len(calls) == 2


def test_another_engine_is_measured_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "measure", lambda values, dense: SECONDS)
    for digest in ("one", "another"):
        monkeypatch.setattr(module, "file_digest", lambda path, digest=digest: digest)
        break_even("float32", "dense", 5)
        module._times.cache_clear()
    assert len(list(cache.iterdir())) == 2


def test_without_a_place_for_it_it_is_measured_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "measure", lambda values, dense: SECONDS)
    cache.parent.joinpath("nmt-prune").write_text("a file, not a folder", encoding="utf-8")
    assert break_even("float32", "dense", 1) == pytest.approx(0.4)


@pytest.mark.parametrize("values", ["float32", "float16", "int8"])
def test_what_is_measured(values: module.Values, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHAPE", (256, 512))
    monkeypatch.setattr(module, "BYTES", 1 << 14)
    sizes = {"float32": 4, "float16": 2, "int8": 1}
    monkeypatch.setattr(module, "_time", lambda matrices, x: len(x) * matrices[0].nbytes)
    seconds = module.measure(values, "dense-int8")
    assert list(seconds) == ["1", "5", "64"]
    for tokens, times in seconds.items():
        assert list(times) == list(SECONDS["1"])
        assert times["dense"] == int(tokens) * module._engine.Matrix.dense_int8(np.zeros((256, 512), np.float32)).nbytes
        # Three times as many values and their indices; what else there is of a matrix is the same.
        more = (times["0.2"] - times["0.05"]) / int(tokens) / (0.15 * 256 * 512)
        assert sizes[values] < more < sizes[values] + 5
    assert break_even(values, "dense", 1) > break_even(values, "dense-int8", 1) > 0


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
@pytest.mark.parametrize("place", [(), ("seconds",), ("seconds", "5"), ("seconds", "5", "0.2"), ("machine",)])
def test_what_does_not_belong_in_the_cache_is_measured_anew(
    cache: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[str, ...], odd: object
) -> None:
    monkeypatch.setattr(module, "measure", lambda values, dense: SECONDS)
    break_even("float32", "dense", 5)
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
    assert break_even("float32", "dense", 5) == pytest.approx(0.8)
    assert json.loads(path.read_text(encoding="utf-8")) == whole


def test_somebody_without_a_home_has_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(module.Path, "home", no_home)
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(module, "measure", lambda values, dense: SECONDS)
    assert break_even("float32", "dense", 1) == pytest.approx(0.4)
    assert len(list(tmp_path.rglob("break-even-*.json"))) == 1
