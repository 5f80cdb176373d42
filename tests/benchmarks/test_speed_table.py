"""Speeds of several machines become tables, and programs say what they compute with."""

import json

import pytest

from tests.benchmarks.__main__ import show_table
from tests.benchmarks.instruction_sets import RESTRICTED, of_ctranslate2, parsed
from tests.benchmarks.reporting import INSTRUCTIONS, machine

ON_INTEL = """
[2026-11-28 17:37:15.422] [ctranslate2] [info]  - Selected ISA: AVX512
[2026-11-28 17:37:15.422] [ctranslate2] [info]  - Use Intel MKL: true
[2026-11-28 17:37:15.422] [ctranslate2] [info]  - GEMM_S16 backend: MKL (packed: true)
[2026-11-28 17:37:15.422] [ctranslate2] [info]  - GEMM_S8 backend: MKL (packed: true, u8s8 preferred: true)
MKL_VERBOSE oneMKL 2023.0 Product build 20221128 for Intel(R) 64 architecture Intel(R) Advanced Vector Extensions 2 \
(Intel(R) AVX2) enabled processors, Lnx 2.10GHz lp64 sequential
"""


def test_what_ctranslate2_says_on_intel():
    assert parsed(ON_INTEL) == {
        "ISA": "AVX512",
        "MKL": "true",
        "int8 GEMM": "MKL (packed: true, u8s8 preferred: true)",
        "MKL ISA": "Intel(R) Advanced Vector Extensions 2 (Intel(R) AVX2)",
    }


INT8 = "Intel(R) Advanced Vector Extensions 512 (Intel(R) AVX-512) with support for INT8 instructions"
WITHOUT = "Intel(R) Advanced Vector Extensions 2 (Intel(R) AVX2)"


@pytest.mark.parametrize(("said", "understood"), [(INT8, INT8), (f"{WITHOUT} enabled processors", WITHOUT)])
def test_what_mkl_multiplies_with(said, understood):
    line = f"MKL_VERBOSE oneMKL 2025 Update 3 Product build 20251007 for Intel(R) 64 architecture {said}, Lnx 2.30GHz"
    assert parsed(line) == {"MKL ISA": understood}


def test_what_ctranslate2_says_here_when_it_is_held_to_avx2(monkeypatch):
    for variable, value in RESTRICTED["avx2"].items():
        monkeypatch.setenv(variable, value)
    used = of_ctranslate2()
    assert used["ISA"] == "AVX2"
    assert used["int8 GEMM"].startswith("MKL" if used["MKL"] == "true" else "DNNL")
    assert "512" not in str(used)


def test_the_machine_is_named():
    facts = machine()
    assert facts["maker"] != "unknown"
    assert set(facts["instructions"]) <= set(INSTRUCTIONS)


def result(maker: str, cpu: str, speeds: list[tuple[str, int, int, int, str]]) -> str:
    rows = [
        {"program": program, "shape": "6+2", "beam": beam, "batch": batch, "tokens/s": speed, "x CT2": ratio}
        for program, beam, batch, speed, ratio in speeds
    ]
    facts = {"cpu": cpu, "maker": maker, "instructions": ["avx2", "avx_vnni"], "date": "2026-11-28T17:44:54+00:00"}
    programs = {"ours": "avxvnni", "CTranslate2": {"ISA": "AVX2", "MKL": "true"}}
    return json.dumps({"machine": facts, "programs": programs, "rows": rows})


def test_makers_have_tables_of_their_own(tmp_path, capsys):
    ours = [("ours", 5, 1, 2000, "2.00 (1.90-2.10)"), ("ours", 5, 8, 3000, "1.50 (1.40-1.60)")]
    (tmp_path / "a.json").write_text(result("GenuineIntel", "Intel Core", [*ours, ("ours", 1, 1, 9, "1.00 (1-1)")]))
    (tmp_path / "b.json").write_text(result("AuthenticAMD", "AMD EPYC", [*ours, ("Marian", 5, 1, 700, "0.70 (1-1)")]))
    show_table([str(tmp_path / name) for name in ("a.json", "b.json")])
    amd, intel = capsys.readouterr().out.split("### Intel")
    assert amd.splitlines() == [
        "### AMD",
        "",
        "**AMD EPYC** (avx2, avx_vnni), 2026-11-28; ours: avxvnni; CTranslate2: ISA AVX2, MKL true. Tokens/s of CPU"
        " time with batches of 1, 8; in parentheses times as fast as CTranslate2 int8.",
        "",
        "| program | 6+2, beam 5 |",
        "| --- | --- |",
        "| ours | 2,000 / 3,000 (2.00 / 1.50) |",
        "| Marian | 700 (0.70) |",
        "",
    ]
    assert "**Intel Core**" in intel
    assert "| ours | 2,000 / 3,000 (2.00 / 1.50) | 9 (1.00) |" in intel
