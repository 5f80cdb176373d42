"""One stock model, one command: what is made, what is said, and what is refused before anything is written."""

import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.experiments.one_model import pruning
from nmt_prune.experiments.one_model.pruning import CANDIDATES, largest
from nmt_prune.experiments.one_model.request import Request, write_recipe
from nmt_prune.experiments.planning.commands import train_arguments
from nmt_prune.experiments.planning.expansion import expand
from nmt_prune.experiments.recipe.schema import Recipe
from nmt_prune.files import read_json
from nmt_prune.runtime.translator import Translator
from tests import programs
from tests.tasks.corpus import SIZES, make_corpus
from tests.tasks.fairseq_command import USER_DIR
from tests.tasks.training import train

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("fairseq_starts_at_once")]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = make_corpus(tmp_path_factory.mktemp("corpus"))
    (folder / "raw").mkdir()
    for subset in SIZES:
        for language in ("en", "de"):
            shutil.copy(folder.parent / f"{subset}.{language}", folder / "raw")
    return folder


@pytest.fixture(scope="module")
def stock(corpus, tmp_path_factory):
    """A stock Transformer, trained without the plugin."""
    folder = tmp_path_factory.mktemp("stock")
    flags = "--task translation --arch transformer_tiny --max-update 30"
    return train(corpus, folder, flags, without=f"--user-dir {USER_DIR}").folder / "checkpoint_last.pt"


def one_process(folder, *arguments):
    return programs.run([sys.executable, "-m", "tests.experiments.one_process", *map(str, arguments)], cwd=folder)


def prune(folder, *arguments):
    return one_process(folder, "prune", *arguments)


@pytest.fixture(scope="module")
def pruned(stock, corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pruned")
    done = prune(folder, stock, "--data", corpus, "--out", "small", "--sparsity", 0.8, "--updates", 12, "--beam", 2)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "small", done.stdout


def test_everything_is_there(pruned, corpus):
    folder, said = pruned
    model = Checkpoint.load(folder / "checkpoint.pt")
    assert model.masks.sparsity() == pytest.approx(0.8, abs=1e-3)
    (line,) = Translator(folder / "model.nmt").translate_lines(["one two"])
    assert line.problem == ""
    summary = (folder / "summary.md").read_text(encoding="utf-8")
    assert said.strip() == summary.strip()
    rows = [row.split("|")[1].strip() for row in summary.splitlines() if row.startswith("|")][2:]
    assert len(rows) == 3
    assert rows[:2] == ["dense", "dense, trained on for as long"]
    ran = read_json(folder / "runs" / "ladder-gmp-80-seed1" / "run.json")["command"]
    assert ran[0] == "fairseq-train"
    assert shlex.split(summary.splitlines()[-1]) == ran  # as a shell reads it
    results = {row["run"]: row for row in read_json(folder / "runs" / "report" / "results.json")["runs"]}
    assert results["dense-seed1"]["total_updates"] == 30
    assert {row["total_updates"] for name, row in results.items() if name != "dense-seed1"} == {42}


def test_the_recipe_repeats_it(pruned, corpus):
    folder, _ = pruned
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["training"]["lr"] == "0.01"
    assert recipe["training"]["max_update"] == 12
    assert {"lr_scheduler", "power", "warmup_updates"} <= recipe["training"].keys()
    done = one_process(folder, "run", "recipe.yaml", "--data", corpus, "--dry-run")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "2 trainings, 24 updates" in done.stdout


def test_repeated_it_does_nothing_again(pruned, stock, corpus):
    folder, said = pruned
    logs = sorted(folder.rglob("train.log"))
    before = [log.read_bytes() for log in logs]
    arguments = ("--data", corpus, "--out", folder.name, "--sparsity", 0.8, "--beam", 2)
    again = prune(folder.parent, stock, *arguments, "--updates", 12)
    assert (again.returncode, again.stdout) == (0, said)
    assert logs
    assert [log.read_bytes() for log in logs] == before
    other = prune(folder.parent, stock, *arguments, "--updates", 14)
    assert other.returncode == 1
    assert "was begun with training" in other.stderr.splitlines()[-1]
    assert "choose another --out" in other.stderr.splitlines()[-1]


def test_a_learning_rate_that_would_not_fall_to_nothing_does_and_the_controls_too(stock, corpus, tmp_path):
    """But for a technique that goes on with the model's own."""
    recipe, changes = request(stock, corpus, tmp_path).recipe([80])
    flags = {run.technique: run.settings["training"] for run in expand(Recipe.model_validate(recipe))}
    for technique in ("ladder-gmp", "dense-longer"):
        found = [flags[technique][flag] for flag in ("lr_scheduler", "power", "total_num_update", "lr")]
        assert found == ["polynomial_decay", 0.5, 10, "0.01"]
    assert any("--lr-scheduler polynomial_decay, --power 0.5 in place of inverse_sqrt" in change for change in changes)
    kept, changes = request(stock, corpus, tmp_path, technique="finetune").recipe([80])
    assert kept["training"]["lr_scheduler"] == "inverse_sqrt"
    assert not any("in place of inverse_sqrt" in change for change in changes)


def test_a_schedule_with_an_end_ends_with_the_updates_that_are_asked_for(corpus, tmp_path):
    flags = "--task translation --arch transformer_tiny --lr-scheduler polynomial_decay --total-num-update 30"
    model = train(corpus, tmp_path / "model", flags, without=f"--user-dir {USER_DIR}").folder / "checkpoint_last.pt"
    recipe, _ = request(model, corpus, tmp_path).recipe([80])
    runs = {run.technique: run.settings["training"] for run in expand(Recipe.model_validate(recipe))}
    assert runs["ladder-gmp"]["total_num_update"] == runs["dense-longer"]["total_num_update"] == 10
    # Past its own end the learning rate would be nothing.
    recipe, _ = request(model, corpus, tmp_path, technique="finetune").recipe([80])
    runs = {run.technique: run.settings["training"] for run in expand(Recipe.model_validate(recipe))}
    assert runs["finetune"]["total_num_update"] == runs["finetune"]["max_update"] == 22


def test_distilled_the_control_too(stock, corpus, tmp_path):
    asked = request(stock, corpus, tmp_path, distill=True)
    plan, _, changes = pruning.plan_of(asked, [80])
    read = {run.technique: train_arguments(run, plan.places) for run in plan.runs if run.step == "train"}
    assert {name: Path(words[0]).relative_to(tmp_path / "out") for name, words in read.items()} == dict.fromkeys(
        ("ladder-gmp", "dense-longer"), Path("runs", "distilled-seed1", "data")
    )
    assert not any("--teacher-word" in words for words in read.values())
    assert "trained on the model's own translations of the training sources (Kim & Rush 2016)" in changes
    write_recipe(asked.recipe([80])[0], tmp_path / "out")
    with pytest.raises(PruneError, match=r"was begun with teacher {'word': 0, 'sequence': True}, not none; choose"):
        pruning.plan_of(replace(asked, distill=False), [80])


def request(stock, corpus, tmp_path, **changes):
    return Request(**{"checkpoint": stock, "data": corpus, "out": tmp_path / "out", "updates": 10, **changes})


def test_a_model_that_is_sparser_already(pruned, corpus, tmp_path):
    with pytest.raises(PruneError, match=r"checkpoint.pt has 80.0% of its weights removed already"):
        request(pruned[0] / "checkpoint.pt", corpus, tmp_path).recipe([70])


def test_data_of_another_pair(stock, tmp_path):
    (tmp_path / "other").mkdir()
    other = make_corpus(tmp_path / "other", target="fr", words=[f"{word}en" for word in "abcdefghij"])
    with pytest.raises(PruneError, match=r"dictionary is not the one|has no binarized|does not exist"):
        request(stock, other, tmp_path).recipe([90])


def test_a_folder_of_something_else(stock, corpus, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").touch()
    with pytest.raises(PruneError, match="exists and was not made by nmt-prune prune; choose another --out"):
        pruning.plan_of(request(stock, corpus, tmp_path), [90])


def test_a_technique_that_rewinds(stock, corpus, tmp_path):
    with pytest.raises(PruneError, match="'slt' rewinds to an early point of the dense training"):
        pruning.plan_of(request(stock, corpus, tmp_path, technique="slt"), [90])


@pytest.mark.parametrize("technique", ["mp", "snip", "small-dense"])
def test_a_technique_that_would_not_use_the_model(tmp_path, technique):
    with pytest.raises(PruneError, match=f"--technique {technique} trains fresh weights, and nothing would be left of"):
        request(tmp_path / "model.pt", tmp_path, tmp_path, technique=technique).recipe([90])


def test_several_processes_become_one(stock, corpus, tmp_path):
    model = Checkpoint.load(stock)
    model.state["cfg"]["distributed_training"]["distributed_world_size"] = 4
    for group in ("common", "distributed_training"):
        model.state["cfg"][group]["fp16"] = True
    path = tmp_path / "parallel.pt"
    from nmt_prune.checkpoints import save

    save(model.state, path)
    recipe, changes = request(path, corpus, tmp_path).recipe([90])
    assert recipe["training"]["update_freq"] == 4
    assert "as ladder-gmp has it, --sparse-lr 0.5, --budget matrix:embedding=2" in changes
    assert (recipe["precision"], recipe["training"]["cpu"]) == ("fp32", True)
    assert [change for change in changes if "fp16" in change or "update-freq 4" in change] == changes[-2:]
    assert request(path, corpus, tmp_path, has_gpu=True).recipe([90])[0]["precision"] == "fp16"


@pytest.mark.parametrize(("allowed", "found"), [(4.1, 85), (100.0, CANDIDATES[-1]), (0.6, 50), (0.1, None)])
def test_the_largest_sparsity(monkeypatch, stock, corpus, tmp_path, allowed, found):
    """Dev BLEU falls by 1 for each ten points of sparsity from 45 % on."""
    tried = []

    def dev_bleu(plan, run):
        return 30 - 10 * max(0.0, run.sparsity - 0.45)

    def carry_out(request, percent, cores):
        tried.append(percent)
        plan, _, changes = pruning.plan_of(request, [percent])
        return plan, changes

    monkeypatch.setattr(pruning, "carried_out", carry_out)
    monkeypatch.setattr(pruning, "check_plan", lambda plan: None)
    monkeypatch.setattr(pruning, "_dev_bleu", dev_bleu)
    asked = request(stock, corpus, tmp_path)
    if found is None:
        with pytest.raises(PruneError, match=r"50 % loses more than --max-loss 0.1 BLEU on dev"):
            largest(asked, allowed, lambda line: None)
        return
    assert largest(asked, allowed, lambda line: None) == found
    assert len(tried) <= 4


def test_a_search_for_the_sparsity_is_shown_by_one_training(run, stock, corpus, tmp_path):
    status, out, _ = run(
        "prune", stock, "--data", corpus, "--out", tmp_path / "o", "--sparsity", "auto", "--max-loss", 1, "--dry-run"
    )
    assert status == 0
    assert "found by bisection among 50, 60, 70, 80, 85, 90, 95, 98 %: three or four such trainings" in out
    assert out.count("ladder-gmp-") == 1
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (("--sparsity", "auto"), "--sparsity auto needs --max-loss, e.g. 0.5 BLEU"),
        (("--max-loss", 1), "--max-loss 1 is for --sparsity auto; leave one of them out"),
        (("--sparsity", "much"), "--sparsity much is no number; give a share such as 0.9, or auto"),
        (("--sparsity", 90), "--sparsity 90 must lie between 0 and 1"),
        (("--values", "int7"), "--values int7: choose from float32, float16, bfloat16, int8, auto"),
    ],
)
def test_contradicting_flags(run, tmp_path, flags, line):
    assert run("prune", "c.pt", "--data", "d", "--out", "o", *flags) == (1, "", f"nmt-prune: error: {line}\n")
