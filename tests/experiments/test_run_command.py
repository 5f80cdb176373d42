import pytest
import typer
from typer.testing import CliRunner

from nmt_prune.cli.run import run
from nmt_prune.errors import PruneError
from nmt_prune.experiments.planning import preflight
from nmt_prune.files import write_json

RECIPE = """
corpus: {name: numbers}
model: {arch: masked_transformer_tiny}
training: {max_update: 100, batch_size: 8, optimizer: adam}
ladder: [50, 80]
techniques: [mp, slt, slt-mp]
start_rounds: {slt-mp: [50]}
"""


@pytest.fixture(autouse=True)
def _unchecked(monkeypatch):
    """Without asking fairseq, which takes seconds; see test_preflight.py."""
    monkeypatch.setattr(preflight, "check_plan", lambda plan: None)


def invoke(*arguments: str):
    app = typer.Typer()
    app.command()(run)
    return CliRunner().invoke(app, arguments)


def rows(output: str) -> dict[str, list[str]]:
    table = output.split("\n\n")[0]
    return {line.split()[0]: line.split()[1:] for line in table.splitlines()[1:]}


def test_a_run_begins_with_what_a_dry_run_checks(tmp_path, monkeypatch):
    def refuse(plan):
        raise PruneError("a step would fail")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(preflight, "check_plan", refuse)
    (tmp_path / "mine.yaml").write_text(RECIPE)
    for flags in ([], ["--dry-run"]):
        assert str(invoke("mine.yaml", *flags).exception) == "a step would fail"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


def test_a_dry_run_shows_the_plan_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(RECIPE)
    result = invoke("mine.yaml", "--dry-run")
    assert result.exit_code == 0, result.output
    assert rows(result.output) == {
        "dense-seed1": ["–", "dense", "0.0%", "100", "100", "to", "do"],
        "mp-50-seed1": ["–", "mp", "50.0%", "100", "100", "to", "do"],
        "mp-80-seed1": ["–", "mp", "80.0%", "100", "100", "to", "do"],
        "slt-50-seed1": ["dense-seed1", "slt,", "slt-mp", "50.0%", "100", "200", "to", "do"],
        "slt-80-seed1": ["slt-50-seed1", "slt", "80.0%", "100", "300", "to", "do"],
        "slt-mp-80-seed1": ["slt-50-seed1", "slt-mp", "80.0%", "100", "300", "to", "do"],
    }
    assert result.output.endswith("\n\n6 trainings, 600 updates, 600 of them to do; 300 in the longest chain\n")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


def test_a_dry_run_counts_tokens_and_hours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    batch = "max_update: 100, max-tokens: 800, update-freq: 2, distributed-world-size: 3"
    (tmp_path / "mine.yaml").write_text(RECIPE.replace("max_update: 100", batch))
    write_json(tmp_path / "runs/mine/dense-seed1/trained.json", {})
    result = invoke("mine.yaml", "--dry-run", "--tokens-per-second", "100")
    assert result.exit_code == 0, result.output
    # 800 · 2 · 3 tokens an update, 600 updates: 2,880,000 tokens, 8 hours on three GPUs; 500 updates are left.
    assert result.output.split("\n\n")[1].splitlines() == [
        "6 trainings, 600 updates, 500 of them to do; 300 in the longest chain",
        "at most 4,800 target tokens per update (max-tokens 800 × update-freq 2 × distributed-world-size 3),"
        " 2,880,000 in all",
        "at 100 target tokens per second and training: 8 hours = 24 GPU hours, 7 hours to do; 4 in the longest chain",
    ]


def test_hours_need_tokens_and_a_dry_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(RECIPE)
    without_tokens = invoke("mine.yaml", "--dry-run", "--tokens-per-second", "100").exception
    assert isinstance(without_tokens, PruneError)
    assert "no training.max-tokens" in str(without_tokens)
    for_real = invoke("mine.yaml", "--tokens-per-second", "100").exception
    assert isinstance(for_real, PruneError)
    assert "--tokens-per-second is for --dry-run" in str(for_real)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


def test_a_dry_run_says_what_is_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(RECIPE)
    write_json(tmp_path / "runs/mine/dense-seed1/trained.json", {})
    write_json(tmp_path / "runs/mine/dense-seed1/scores.json", {})
    write_json(tmp_path / "runs/mine/mp-80-seed1/trained.json", {})
    result = invoke("mine.yaml", "--dry-run", "--only", "mp")
    assert list(rows(result.output)) == ["dense-seed1", "mp-50-seed1", "mp-80-seed1"]
    assert rows(result.output)["dense-seed1"][-1] == "done"
    assert rows(result.output)["mp-80-seed1"][-2:] == ["to", "score"]


def test_shipped_recipes_are_found_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke("demo-numbers", "--dry-run", "--cores", "1", "--executor", "slurm", "--", "--retries", "2")
    assert result.exit_code == 0, result.output
    assert {"dense-seed1", "slt-90-seed1", "slt-mp-90-seed1", "dense-longer-x4-seed1"} <= rows(result.output).keys()


def test_mistakes_are_prune_errors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert isinstance(invoke("nowhere.yaml", "--dry-run").exception, PruneError)
    assert isinstance(invoke("demo-numbers", "--dry-run", "--only", "slt,xyz").exception, PruneError)
