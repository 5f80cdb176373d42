"""An experiment with fake programs in a temporary folder."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt_prune.experiments.planning.commands import Places, Programs
from nmt_prune.experiments.planning.expansion import expand
from nmt_prune.experiments.planning.plan import Plan
from tests.experiments.recipes import make_recipe

FAKE = Path(__file__).with_name("fake_programs.py")
ALL = ["dense-seed1", "mp-50-seed1", "mp-80-seed1", "slt-50-seed1", "slt-80-seed1"]
"""The runs of its plan, by name."""


@dataclass(frozen=True)
class Laboratory:
    folder: Path

    @property
    def control(self) -> Path:
        (self.folder / "control").mkdir(exist_ok=True)
        return self.folder / "control"

    @property
    def runs(self) -> Path:
        return self.folder / "runs" / "small"

    def plan(self, **changes: Any) -> Plan:
        recipe = make_recipe(
            **{"training": {"max_update": 20}, "ladder": [50, 80], "techniques": ["mp", "slt"], **changes}
        )
        places = Places(self.runs, self.folder / "data-bin", self.programs())
        return Plan.of(expand(recipe), places, trainings_per_gpu=recipe.trainings_per_gpu)

    def programs(self) -> Programs:
        fakes = {name: (sys.executable, str(FAKE), str(self.control), name) for name in Programs.__annotations__}
        return Programs(**fakes)

    def expect_together(self, *runs: str) -> None:
        """Has each of these trainings wait until all of them run."""
        (self.control / "meet").mkdir()
        for run in runs:
            (self.control / "meet" / run).touch()

    def calls(self, program: str) -> list[dict[str, Any]]:
        path = self.control / "calls.jsonl"
        calls = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [call for call in calls if call["program"] == program]

    def trained(self) -> list[str]:
        return [call["run"] for call in self.calls("train")]

    def forget_calls(self) -> None:
        (self.control / "calls.jsonl").unlink()


def assert_in_order(laboratory: Laboratory, report: Path) -> dict[str, dict[str, Any]]:
    """Asserts that each run is trained once, after the data and its parents, and reported; returns calls by run."""
    assert (report / "table.md").read_text().split() == ALL
    assert sorted(laboratory.trained()) == ALL
    calls = {call["run"]: call for call in laboratory.calls("train")}
    assert calls["dense-seed1"]["ended"] <= calls["slt-50-seed1"]["began"]
    assert calls["slt-50-seed1"]["ended"] <= calls["slt-80-seed1"]["began"]
    assert laboratory.calls("data")[0]["ended"] <= min(call["began"] for call in calls.values())
    return calls
