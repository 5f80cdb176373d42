"""Size and CPU time in the tables, the figures and results.csv."""

import csv
import dataclasses

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.report import write_report
from nmt_prune.evaluation.reports.aggregates import aggregate
from nmt_prune.evaluation.reports.export_result import ExportResult
from nmt_prune.evaluation.reports.figures import bleu as plots
from nmt_prune.evaluation.reports.figures.costs import CPU_TIME, PACKED, USED, draw, plot_cpu_time, plot_sizes
from nmt_prune.evaluation.reports.run_result import RunResult
from nmt_prune.evaluation.reports.tables.size import cost_section
from nmt_prune.evaluation.reports.tables.speed import speed_section
from tests.evaluation.corpus import corrupted, gathered, references, write_run
from tests.evaluation.samples import results, row


def costly(result: RunResult, used: float, packed: float, ratio: float | None, seconds: float | None = None):
    return dataclasses.replace(
        result,
        mb_masked=4.0,
        mb_used=used,
        exports=ExportResult({"mb_csc": 3 * packed, "mb_csc_deflated": 2 * packed, "mb_packed": packed}),
        cpu_ratio=ratio,
        cpu_seconds=seconds,
        cpu_seconds_dense=None if seconds is None else 10.0,
    )


ROWS = [
    costly(row("dense", 0, 30.0, 800), 4, 4, 1.0),
    costly(row("slt", 0.5, 29.0, 1600), 4, 2.1, 1.0),
    costly(row("slt", 0.9, 25.0, 2400), 3.6, 0.5, 0.925, 9.25),
    costly(row("random", 0.9, 12.0, 2400), 4, 0.55, 1.0),
    costly(row("dense-longer", 0, 31.0, 1600), 4, 4, 1.0),
    costly(row("shrunk-first", 0.5, 28.0, 1600), 2.5, 2.5, None),
]


def test_table():
    lines = cost_section(aggregate(ROWS), ROWS).markdown().split("\n")
    assert lines[0] == "## Size"
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:9] if "--" not in line] == [
        ["system", "sparsity", "BLEU", "MB in memory", "MB CSC", "MB deflated", "MB packed", "MB packed int8"],
        ["dense", "0 %", "30.0 (800)", "4 (100 %)", "12 (100 %)", "8 (100 %)", "4 (100 %)", "–"],
        ["SLT", "50 %", "29.0 (1,600)", "4 (100 %)", "6.3 (52.5 %)", "4.2 (52.5 %)", "2.1 (52.5 %)", "–"],
        ["SLT", "90 %", "25.0 (2,400)", "3.6 (90 %)", "1.5 (12.5 %)", "1 (12.5 %)", "0.5 (12.5 %)", "–"],
        ["random mask", "90 %", "12.0 (2,400)", "4 (100 %)", "1.65 (13.8 %)", "1.1 (13.8 %)", "0.55 (13.8 %)", "–"],
        ["shrunk-first", "50 %", "28.0 (1,600)", "2.5 (62.5 %)", "7.5 (62.5 %)", "5 (62.5 %)", "2.5 (62.5 %)", "–"],
    ]


def test_cpu_time_of_fairseq_in_the_table_of_speed():
    lines = speed_section(aggregate(ROWS), ROWS).markdown().split("\n")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[4:8]]
    assert [row[5] for row in rows] == ["1 (dense)", "1 (dense)", "0.93", "1 (dense)"]


def test_runs_of_before_have_no_section():
    old = [row("dense", 0, 30.0, 800), row("mp", 0.5, 28.0, 800)]
    assert cost_section(aggregate(old), old) is None


def test_means_over_seeds_and_one_unknown():
    two = [costly(row("slt", 0.5, 29.0, 1600, seed=seed), 4, 2, 0.8 + 0.1 * seed, 9.0) for seed in (1, 2)]
    (model,) = aggregate(two).values()
    assert model.cpu_ratio == pytest.approx(0.95)
    assert model.megabytes == {"masked": 4, "used": 4}
    assert (model.exports["mb_packed"], model.exports["bleu_packed"]) == (2, None)
    (model,) = aggregate([two[0], row("slt", 0.5, 28.0, 1600, seed=2)]).values()
    assert (model.cpu_ratio, model.megabytes) == (None, None)


def test_sizes_are_drawn_in_two_panels():
    figure = draw(results(*ROWS), "sizes", [PACKED, USED])
    packed, used = figure.axes
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "dense",
        "SLT",
        "random mask",
        "shrunk-first",
    ]
    curves = [[list(container.lines[0].get_xdata()) for container in axes.containers] for axes in (packed, used)]
    assert curves == [[[2.1, 0.5], [0.55], [2.5]], [[4, 3.6], [4], [2.5]]]
    assert packed.get_xscale() == "log"


def test_what_is_as_slow_by_construction_is_hollow_and_what_is_unknown_is_left_out():
    (axes,) = draw(results(*ROWS), "time", [CPU_TIME]).axes
    assert [list(container.lines[0].get_xdata()) for container in axes.containers] == [[1.0, 0.925], [1.0]]
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white" and line.get_ls() == "None"]
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in hollow] == [([1.0], [29.0]), ([1.0], [12.0])]


def test_both_formats_and_the_same_bytes_again(tmp_path):
    for name, draw_figure in (("size", plot_sizes), ("time", plot_cpu_time)):
        written = []
        for number in (1, 2):
            paths = [tmp_path / f"{name}{number}.{suffix}" for suffix in ("png", "svg")]
            draw_figure(results(*ROWS), paths)
            written.append([path.read_bytes() for path in paths])
        assert written[0] == written[1]
        assert written[0][0].startswith(b"\x89PNG")


def test_the_report_of_records_with_costs(tmp_path):
    lines, recipe, reference = references(40), tmp_path / "runs/toy", tmp_path / "test.de"
    reference.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    costs = {
        "bytes_masked": 4_000_000,
        "bytes_used": 4_000_000,
        "cpu_ratio": 1.0,
        "cpu": None,
    }
    small = {**costs, "bytes_used": 3_000_000, "cpu_ratio": 0.5}
    sizes = {"csc": 2_000_000, "csc_deflated": 900_000, "packed": 500_000, "packed_int8": 200_000}
    small["exports"] = {"disk": sizes, "bleu": {"packed": 1.5}, "notes": ["no compiler", "nothing else"]}
    small["cpu"] = {"seconds": 2.0, "seconds_dense": 4.0, "sentences": 40}
    write_run(recipe, "dense-seed1", lines, reference, technique="dense", sparsity=0.0, scores={"costs": costs})
    write_run(recipe, "mp-50-seed1", corrupted(lines, 0.3, 1), reference, scores={"costs": small})
    report = write_report(recipe)
    names = ["results.csv", "results.json", "table.md", "report.html", "bleu.png", "bleu.svg", "size.png", "size.svg"]
    assert [path.name for path in report.paths] == [*names, "cpu_time.png", "cpu_time.svg"]
    assert all(path.is_file() for path in report.paths)
    with (recipe / "report/results.csv").open(encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    columns = ("mb_masked", "mb_used", "mb_packed", "cpu_ratio", "cpu_seconds", "cpu_seconds_dense")
    assert [[line[column] for column in columns] for line in found] == [
        ["4.0", "4.0", "", "1.0", "", ""],
        ["4.0", "3.0", "0.5", "0.5", "2.0", "4.0"],
    ]
    columns = ("mb_csc", "mb_csc_deflated", "mb_packed_int8", "bleu_packed", "engine", "export_notes")
    assert [found[1][column] for column in columns] == ["2.0", "0.9", "0.2", "1.5", "", "no compiler; nothing else"]
    assert "| MP       |       50 % |" in report.text


def test_the_report_of_records_from_before(tmp_path):
    lines, recipe, reference = references(40), tmp_path / "runs/toy", tmp_path / "test.de"
    reference.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    write_run(recipe, "mp-50-seed1", lines, reference)
    assert gathered(recipe).rows[0].mb_used is None
    assert len(write_report(recipe).paths) == 6


def test_an_unknown_technique_to_compare_with_leaves_the_report_as_it_was(tmp_path):
    lines, recipe, reference = references(40), tmp_path / "runs/toy", tmp_path / "test.de"
    reference.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    write_run(recipe, "mp-50-seed1", lines, reference)
    assert "## BLEU minus that of: MP" in write_report(recipe, against=["mp"]).text
    before = (recipe / "report/table.md").read_bytes()
    with pytest.raises(PruneError, match="--against random: no scored run is of this technique; there are mp"):
        write_report(recipe, against=["random"])
    assert (recipe / "report/table.md").read_bytes() == before


def test_a_quantized_dense_model_is_drawn_by_its_size_but_has_no_place_among_sparsities():
    rows = [*ROWS, costly(row("int8", 0, 29.5, 1600), 4, 1.1, 1.0), costly(row("int8", 0.5, 29, 1600), 4, 0.7, 1.0)]
    (by_size,) = draw(results(*rows), "sizes", [PACKED]).axes
    assert ([1.1, 0.7], [29.5, 29]) in [drawn(container) for container in by_size.containers]
    (by_sparsity,) = plots.draw(results(*rows)).axes
    assert ([0.0], [29]) in [drawn(container) for container in by_sparsity.containers]


def drawn(container) -> tuple[list[float], list[float]]:
    return list(container.lines[0].get_xdata()), list(container.lines[0].get_ydata())
