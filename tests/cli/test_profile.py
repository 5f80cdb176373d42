"""``nmt-prune profile`` as a user calls it."""

import json
import sys

import pytest

from tests.cli.test_export import data, half_dead

__all__ = ["data", "half_dead"]


def test_sizes(run, half_dead, data):
    status, out, _ = run("profile", half_dead, "--data", data, "--rounds", 0)
    assert status == 0
    rows = {cells[0]: cells[1:] for line in out.splitlines() if (cells := line.split())}
    assert rows["encoder.layers.0.self_attn.v_proj"][:3] == ["8x8", "32", "0.5000"]
    assert rows["encoder.layers.0.self_attn.v_proj"][3:5] == ["0.3", "0.1"]
    assert rows["total,"][0] == "kB"
    assert "microseconds" not in out
    found = json.loads(run("profile", half_dead, "--data", data, "--rounds", 0, "--json")[1])
    assert found["total"]["bytes"]["float32"] == sum(row["bytes"]["float32"] for row in found["matrices"])
    assert (found["instruction_set"], found["total"]["microseconds"]) == (None, {})


def test_times(run, half_dead, data):
    pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine was not built")
    status, out, _ = run("profile", half_dead, "--data", data, "--rounds", 1)
    assert (status, "one thread" in out, "40: sparse" in out) == (0, True, True)
    found = json.loads(run("profile", half_dead, "--data", data, "--rounds", 1, "--json")[1])
    (projection,) = [row for row in found["matrices"] if row["name"] == "decoder.layers.0.fc1.weight"]
    assert projection["microseconds"].keys() == {"1", "5", "40"}
    assert projection["microseconds"]["5"].keys() == {"float32", "int8", "sparse", "blocks"}


def test_a_compact_file_in_other_values(run, half_dead, data):
    run("pack", half_dead, "--data", data, "--values", "int8", "--out", "small.nmt")
    run("pack", half_dead, "--data", data, "--out", "exact.nmt")
    packed = json.loads(run("profile", "small.nmt", "--rounds", 0, "--json")[1])
    flags = ["--values", "int8", "--rounds", 0, "--json"]
    for source in ([half_dead, "--data", data], ["exact.nmt"]):
        assert packed["matrices"] == json.loads(run("profile", *source, *flags)[1])["matrices"]


def test_without_kernels_it_is_one_line(run, half_dead, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "nmt_prune.runtime._engine", None)
    status, out, error = run("profile", half_dead, "--data", data)
    assert (status, out, error.count("\n")) == (1, "", 1)
    assert "--rounds 0" in error
