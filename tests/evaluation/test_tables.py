"""Tables with many techniques; those with few are in test_report."""

from nmt_prune.evaluation.aggregates import aggregate
from nmt_prune.evaluation.tables import MOST_COLUMNS, sparsity_table
from tests.evaluation.samples import results, row


def test_many_techniques_are_rows():
    names = [f"technique-{number}" for number in range(MOST_COLUMNS + 1)]
    rows = [row("dense", 0, 30, 100), *[row(name, 0.5, 20 + i, 100) for i, name in enumerate(names)]]
    table = sparsity_table(aggregate(results(*rows, row("technique-0", 0.8, 10, 200)).rows)).splitlines()
    assert [cell.strip() for cell in table[0].strip("|").split("|")] == ["technique", "50 %", "80 %"]
    assert [cell.strip() for cell in table[2].strip("|").split("|")] == ["dense", "30.0 (100)", "30.0 (100)"]
    assert [cell.strip() for cell in table[3].strip("|").split("|")] == ["technique-0", "20.0 (100)", "10.0 (200)"]
    assert [cell.strip() for cell in table[4].strip("|").split("|")] == ["technique-1", "21.0 (100)", "–"]
    assert len(table) == 3 + len(names)
