"""Tables with many techniques; those with few are in test_report."""

from dataclasses import replace

from nmt_prune.evaluation.reports.aggregates import Cell, aggregate
from nmt_prune.evaluation.reports.tables.bleu import MOST_COLUMNS, bleu_cell, sparsity_table, subnetwork_table
from tests.evaluation.samples import results, row


def test_other_mini_batches_stand_beside_the_updates():
    rows = [replace(row("oes", 0.5, 20, 800, seed=seed), other_passes=1000 + seed) for seed in (1, 2)]
    assert bleu_cell(aggregate(rows)[Cell("oes", 0.5)], 2).endswith("(800 + 1,001–1,002)")
    unknown = [rows[0], replace(rows[1], other_passes=None)]
    assert bleu_cell(aggregate(unknown)[Cell("oes", 0.5)], 2).endswith("(800)")


def test_many_techniques_are_rows():
    names = [f"technique-{number}" for number in range(MOST_COLUMNS + 1)]
    rows = [row("dense", 0, 30, 100), *[row(name, 0.5, 20 + i, 100) for i, name in enumerate(names)]]
    table = sparsity_table(aggregate(results(*rows, row("technique-0", 0.8, 10, 200)).rows)).markdown().splitlines()
    assert [cell.strip() for cell in table[0].strip("|").split("|")] == ["technique", "50 %", "80 %"]
    assert [cell.strip() for cell in table[2].strip("|").split("|")] == ["dense", "30.0 (100)", "30.0 (100)"]
    assert [cell.strip() for cell in table[3].strip("|").split("|")] == ["technique-0", "20.0 (100)", "10.0 (200)"]
    assert [cell.strip() for cell in table[4].strip("|").split("|")] == ["technique-1", "21.0 (100)", "–"]
    assert len(table) == 3 + len(names)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_subnetworks_of_two_searches_stand_search_by_search():
    names = ("bad-pruned-m", "good-m", "good-pruned-m", "bad", "good-pruned")
    rows = [row("dense", 0, 30, 100), *(row(f"subnetwork-{name}", 0, 20, 100) for name in names)]
    rows[3] = replace(rows[3], sparsity_prunable=0.41)
    table = subnetwork_table(aggregate(rows)).markdown().splitlines()[2:]
    assert [cells(line)[0] for line in table] == [
        *("dense", "good, pruned", "bad, retrained"),
        *("m: good, pruned", "m: bad, pruned", "m: good, retrained"),
    ]
    assert cells(table[3])[1] == "41 %"
    assert len(sparsity_table(aggregate(rows)).markdown().splitlines()) == 3


def test_what_is_only_quantized_has_a_row_of_its_own():
    rows = [row("dense", 0, 30, 100), row("int8", 0, 29, 200), row("int8", 0.5, 28, 200), row("slt", 0.5, 27, 200)]
    table = sparsity_table(aggregate(rows)).markdown().splitlines()
    assert [cells(line)[0] for line in table[2:]] == ["dense", "0 %", "50 %"]
    assert cells(table[2])[3:] == ["30.0 (100)", "30.0 (100)"]
    assert cells(table[3])[3:] == ["–", "29.0 (200)"]
    many = [*rows, *(row(f"technique-{number}", 0.5, 1, 100) for number in range(MOST_COLUMNS))]
    lines = sparsity_table(aggregate(many)).markdown().splitlines()
    assert cells(lines[0]) == ["technique", "0 %", "50 %"]
    assert cells(lines[4]) == ["int8", "29.0 (200)", "28.0 (200)"]
