"""The plan of a transfer recipe, and its runs in order with fake programs."""

from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from nmt_prune.cli.run import run as run_recipe
from nmt_prune.errors import PruneError
from nmt_prune.experiments.execution import runner
from nmt_prune.experiments.execution.runner import run_plan
from nmt_prune.experiments.planning.commands import run_command, train_arguments, transfer_commands
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.experiments.planning.transfer_expansion import expand_transfer, transfer_plan
from nmt_prune.experiments.recipe.recipe_file import load_recipe
from nmt_prune.experiments.recipe.transfer_recipe import TransferRecipe
from tests.experiments.laboratory import Laboratory

GOOD = """
kind: transfer
corpus: {name: numbers, vocab_size: 100}
corpora: [{source: en, target: de}, {source: en, target: fr}]
model: {arch: masked_transformer_tiny}
training: {max_update: 20}
"""


def load(tmp_path: Path, text: str) -> TransferRecipe:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    recipe = load_recipe(str(path))
    assert isinstance(recipe, TransferRecipe)
    return recipe


def test_the_runs_of_two_pairs_and_two_seeds(tmp_path):
    runs = {run.name: run for run in expand_transfer(load(tmp_path, GOOD))}
    techniques = ["dense", "slt-70", "random-70", "reinit-70", "shuffle-weights-70", "shuffle-layers-70"]
    expected = [f"{pair}/{name}-seed{seed}" for pair in ("en-de", "en-fr") for seed in (1, 2) for name in techniques]
    expected += [f"en-de/from-en-fr-70-seed{seed}" for seed in (1, 2)]
    expected += [f"en-fr/from-en-de-70-seed{seed}" for seed in (1, 2)]
    assert list(runs) == expected
    moved = runs["en-de/from-en-fr-70-seed2"]
    assert (moved.parent, moved.after) == ("en-fr/slt-70-seed2", ("en-fr/slt-70-seed2", "en-de/dense-seed2"))
    assert (moved.technique, moved.sparsity, moved.updates, moved.total_updates) == ("from-en-fr", 0.7, 20, 60)
    assert moved.settings["pruning"] == {
        "mask_from": "en-de/from-en-fr-70-seed2/transferred.safetensors",
        "rewind_from": "en-de/dense-seed2/rewind_1.pt",
        "reset": "rewind",
        "clock": "restart",
        "prune_seed": "2",
    }
    own = runs["en-de/slt-70-seed2"]
    assert moved.settings["corpus"] == own.settings["corpus"]
    assert moved.settings["corpus"]["folder"] == "numbers.en-de"
    assert own.settings["pruning"]["rewind_from"] == moved.settings["pruning"]["rewind_from"]
    assert own.settings["pruning"]["mask_from"] == "en-de/dense-seed2/checkpoint_last.pt"
    assert (own.settings["parent"], own.settings["pruning"]["prune_set"]) == ("en-de/dense-seed2", "body")
    assert runs["en-fr/shuffle-layers-70-seed1"].settings["pruning"]["reset"] == "shuffle-layers"
    assert {run.settings["seed"] for run in runs.values()} == {1, 2}


def test_everything_a_run_reads_is_made_before(tmp_path):
    recipe = load(tmp_path, GOOD + "ladder: [40, 70]\nrewind_source: last")
    seen: set[str] = set()
    for run in expand_transfer(recipe):
        pruning, read = run.settings["pruning"], []
        read += [pruning["rewind_from"]] if "rewind_from" in pruning else []
        transfer = run.settings.get("transfer")
        read += [transfer["mask"]] if transfer else [pruning["mask_from"]] if "mask_from" in pruning else []
        assert {path.rpartition("/")[0] for path in read} <= set(run.after) <= seen
        seen.add(run.name)
    assert "en-de/reinit-40-seed1" not in seen
    assert "en-de/slt-40-seed1" in seen


def test_only_some_of_it(tmp_path):
    recipe = load(tmp_path, GOOD)
    transfers = {run.name.split("/")[1].split("-seed")[0] for run in expand_transfer(recipe, ["transfer"])}
    assert transfers == {"dense", "slt-70", "from-en-de-70", "from-en-fr-70"}
    controls = {run.name.split("/")[1].split("-seed")[0] for run in expand_transfer(recipe, ["random"])}
    assert controls == {"dense", "random-70"}
    with pytest.raises(PruneError, match="--only slt: the transfer recipe mine has transfer, random, reinit"):
        expand_transfer(recipe, ["slt"])


def test_domains_of_one_pair_go_by_their_data_folders(tmp_path):
    corpora = "corpora: [{folder: small, size: 50}, {}]\n"
    recipe = load(tmp_path, GOOD.replace("corpora: [{source: en, target: de}, {source: en, target: fr}]\n", corpora))
    assert list(recipe.labels()) == ["small", "numbers.en-de"]
    assert recipe.data_folders(Path("d")) == {"small": Path("d/small"), "numbers.en-de": Path("d/numbers.en-de")}
    assert [corpus.size for corpus in recipe.corpora] == [50, None]
    assert [corpus.vocab_size for corpus in recipe.corpora] == [100, 100]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("{source: en, target: de}, ", ""), "corpora List should have at least 2 items"),
        (("target: fr", "target: de"), "two corpora have the data folder numbers.en-de"),
        (("source: en, target: fr", "sorce: en"), "unknown key corpora.1.sorce; did you mean source"),
        (("training:", "seeds: [1]\ntraining:"), "seeds List should have at least 2 items"),
        (("training:", "techniques: [mp]\ntraining:"), "is not for a transfer recipe"),
        (("training:", "dense: {checkpoint: x.pt}\ntraining:"), "is not for a transfer recipe"),
        (("training:", "controls: [dense-longer]\ntraining:"), "'dense-longer' is no control of slt's masks"),
        (("training:", "embeding: dense\ntraining:"), "unknown key embeding; did you mean embedding?"),
        (("training:", "weights: [own]\ntraining:"), "weights.0 should be 'target' or 'source', not 'own'"),
        (("kind: transfer", "kind: matrix"), "unknown key kind"),
    ],
)
def test_mistakes_are_one_line(tmp_path, change, expected):
    with pytest.raises(PruneError) as caught:
        load(tmp_path, GOOD.replace(*change))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_students_learn_from_the_dense_model_of_their_corpus(tmp_path):
    criterion = "training: {max_update: 20, criterion: label_smoothed_cross_entropy}"
    taught = GOOD.replace("training: {max_update: 20}", criterion) + "teacher: {word: 0.5, sequence: true}\n"
    plan = transfer_plan(load(tmp_path, taught), Path("runs"), Path("bin"))
    seen: set[str] = set()
    for run in plan.runs:
        assert set(run.after) <= seen
        seen.add(run.name)
        pair = run.name.partition("/")[0]
        if run.step == "distill":
            assert f"runs/mine/{pair}/dense-seed{run.seed}/checkpoint_best.pt" in run_command(run, plan.places)
        elif run.technique != "dense":
            words = train_arguments(run, plan.places)
            assert words[0] == f"runs/mine/{pair}/distilled-seed{run.seed}/data"
            teacher = words[words.index("--teacher") + 1]
            assert teacher == f"runs/mine/{pair}/dense-seed{run.seed}/checkpoint_best.pt"
            assert {f"{pair}/dense-seed{run.seed}", f"{pair}/distilled-seed{run.seed}"} <= set(run.after)


def test_trainings_share_gpus_as_the_recipe_says(tmp_path):
    assert transfer_plan(load(tmp_path, GOOD + "gpu_share: 0.25\n"), Path("runs"), Path("bin")).trainings_per_gpu == 4


def test_commands_use_the_data_of_each_corpus(tmp_path):
    plan = transfer_plan(load(tmp_path, GOOD), Path("runs"), Path("bin"))
    assert plan.targets == ("en-de", "en-fr")
    run = plan.run("en-fr/from-en-de-70-seed1")
    (command,) = transfer_commands(run, plan.places)
    assert command[-9:] == [
        "runs/mine/en-de/slt-70-seed1/checkpoint_last.pt",
        *["--from-data", "bin/numbers.en-de", "--to-data", "bin/numbers.en-fr", "--embedding", "match"],
        *["--out", "runs/mine/en-fr/from-en-de-70-seed1/transferred.safetensors"],
    ]
    arguments = train_arguments(run, plan.places)
    assert arguments[0] == "bin/numbers.en-fr"
    assert arguments[arguments.index("--mask-from") + 1] == command[-1]
    assert arguments[arguments.index("--target-lang") + 1] == "fr"


def test_masks_with_the_weights_of_the_parent(tmp_path):
    masks = {run.name: run for run in expand_transfer(load(tmp_path, GOOD))}
    both = {run.name: run for run in expand_transfer(load(tmp_path, GOOD + "weights: [target, source]"))}
    only = {run.name for run in expand_transfer(load(tmp_path, GOOD + "weights: [source]"), ["transfer"])}
    assert {name: run for name, run in both.items() if "weights-from" not in name} == masks
    parents = [f"{pair}-70-seed{seed}" for pair in ("en-de/weights-from-en-fr", "en-fr/weights-from-en-de")
               for seed in (1, 2)]  # fmt: skip
    assert [name for name in both if name not in masks] == parents
    assert {name for name in only if "from" in name} == {*parents}
    run, mask = both["en-de/weights-from-en-fr-70-seed2"], masks["en-de/from-en-fr-70-seed2"]
    assert (run.technique, run.after, run.total_updates) == ("weights-from-en-fr", mask.after, mask.total_updates)
    assert {key for key, value in run.settings["pruning"].items() if mask.settings["pruning"][key] != value} == {
        "mask_from",
        "rewind_from",
    }
    plan = transfer_plan(load(tmp_path, GOOD + "weights: [source]"), Path("runs"), Path("bin"))
    folder = "runs/mine/en-de/weights-from-en-fr-70-seed2"
    fit_mask, fit_weights = transfer_commands(run, plan.places)
    assert fit_mask[-1] == f"{folder}/transferred.safetensors"
    assert fit_weights[3:] == [
        *["transfer", "runs/mine/en-fr/dense-seed2/checkpoint_last.pt"],
        *["--from-data", "bin/numbers.en-fr", "--to-data", "bin/numbers.en-de", "--embedding", "match"],
        *["--onto", "runs/mine/en-de/dense-seed2/rewind_1.pt", "--out", f"{folder}/parent.pt"],
    ]
    arguments = train_arguments(run, plan.places)
    for flag, value in (("--mask-from", fit_mask[-1]), ("--rewind-from", fit_weights[-1]), ("--reset", "rewind")):
        assert arguments[arguments.index(flag) + 1] == value


@pytest.mark.slow
@pytest.mark.usefixtures("fairseq_starts_at_once")
@pytest.mark.parametrize("name", ["transfer-numbers", "transfer-libreoffice-help"])
def test_shipped_recipes(name, tmp_path, monkeypatch):
    recipe = load_recipe(name)
    assert isinstance(recipe, TransferRecipe)
    assert recipe.name == name
    assert {"en-de", "en-fr", "de-en"} <= recipe.labels().keys()
    assert (recipe.ladder[-1], recipe.prune_set) == (70, "body")
    app = typer.Typer()
    app.command()(run_recipe)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, [name, "--dry-run"])
    assert result.exit_code == 0, result.output
    assert "en-de/from-en-fr-70-seed2" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(runner, "SECONDS_BETWEEN_LOOKS", 0.1)


def fake_plan(laboratory: Laboratory, recipe: TransferRecipe) -> Plan:
    plan = transfer_plan(recipe, laboratory.folder / "runs", laboratory.folder / "bin")
    return replace(plan, places=replace(plan.places, programs=laboratory.programs()))


@pytest.mark.slow
def test_runs_go_in_order_each_with_its_data_and_once(laboratory, impatient, tmp_path):
    recipe = load(tmp_path, GOOD + "controls: []")
    run_plan(fake_plan(laboratory, recipe), cores=2)
    folders = [call["arguments"][call["arguments"].index("--out") + 1] for call in laboratory.calls("data")]
    assert [Path(folder).name for folder in folders] == ["numbers.en-de", "numbers.en-fr"]
    calls = {"/".join(Path(call["folder"]).parts[-2:]): call for call in laboratory.calls("train")}
    assert len(calls) == 2 * 2 * 2 + 4
    for name, call in calls.items():
        assert Path(call["arguments"][0]).name == f"numbers.{name.split('/')[0]}"
    for seed in (1, 2):
        moved = calls[f"en-de/from-en-fr-70-seed{seed}"]
        for before in (f"en-fr/slt-70-seed{seed}", f"en-de/dense-seed{seed}"):
            assert calls[before]["ended"] <= moved["began"]
    assert len(laboratory.calls("transfer")) == 4
    laboratory.forget_calls()
    run_plan(fake_plan(laboratory, recipe), cores=2)
    assert not (laboratory.control / "calls.jsonl").exists()


@pytest.mark.slow
def test_a_transfer_that_fails_is_one_line(laboratory, impatient, tmp_path):
    (laboratory.control / "fail.transfer").touch()
    with pytest.raises(PruneError) as caught:
        run_plan(fake_plan(laboratory, load(tmp_path, GOOD + "controls: []")), cores=2)
    assert "from-en-" in str(caught.value)
    assert "-70-seed1 failed: nmt-prune: error: no such dictionary; the log is" in str(caught.value).replace(
        "seed2", "seed1"
    )
    assert "\n" not in str(caught.value)
