import typer
from typer.testing import CliRunner

from nmt_prune.cli.run import run
from nmt_prune.errors import PruneError
from nmt_prune.files import write_json

RECIPE = """
corpus: {name: numbers}
model: {arch: masked_transformer_tiny}
training: {max_update: 100}
ladder: [50, 80]
techniques: [mp, slt, slt-mp]
start_rounds: {slt-mp: [50]}
"""


def invoke(*arguments: str):
    app = typer.Typer()
    app.command()(run)
    return CliRunner().invoke(app, arguments)


def rows(output: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in output.splitlines()[1:]}


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
    result = invoke("demo-numbers", "--dry-run", "--cores", "1", "--", "--executor", "slurm")
    assert result.exit_code == 0, result.output
    assert {"dense-seed1", "slt-90-seed1", "slt-mp-90-seed1", "dense-longer-x4-seed1"} <= rows(result.output).keys()


def test_mistakes_are_prune_errors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert isinstance(invoke("nowhere.yaml", "--dry-run").exception, PruneError)
    assert isinstance(invoke("demo-numbers", "--dry-run", "--only", "slt,xyz").exception, PruneError)
