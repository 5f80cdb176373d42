from pathlib import Path

from nmt_prune.experiments.planning.commands import (
    PACKAGE,
    Places,
    Programs,
    data_command,
    flag_arguments,
    report_command,
    score_command,
    train_arguments,
)
from nmt_prune.experiments.planning.expansion import expand
from tests.experiments.recipes import make_recipe

PLACES = Places(Path("runs/small"), Path("data-bin/numbers.en-de"), Programs(("D",), ("T",), ("S",), ("R",)))


def test_values_become_flags():
    flags = {
        "a_b": 1,
        "yes": True,
        "no": False,
        "none": None,
        "many": [1, "x"],
        "json": {"beam": 4},
        "text": "(0.9, 0.98)",
    }
    assert flag_arguments(flags) == [
        *["--a-b", "1", "--yes", "--many", "1", "x", "--json", '{"beam": 4}', "--text", "(0.9, 0.98)"]
    ]


def test_a_training_command():
    recipe = make_recipe(training={"max_update": 100, "log_interval": 7}, precision="memory-efficient-fp16", seeds=[3])
    run = next(run for run in expand(recipe) if run.name == "slt-80-seed3")
    arguments = train_arguments(run, PLACES)
    assert arguments[0] == "data-bin/numbers.en-de"

    def value(flag: str) -> str:
        assert arguments.count(flag) == 1
        return arguments[arguments.index(flag) + 1]

    assert value("--user-dir") == str(PACKAGE)
    assert (PACKAGE / "tasks").is_dir()
    assert value("--task") == "translation_pruning"
    assert value("--arch") == "masked_transformer_tiny"
    assert (value("--source-lang"), value("--target-lang")) == ("en", "de")
    assert value("--max-update") == "100"
    assert value("--seed") == value("--prune-seed") == "3"
    assert value("--save-dir") == "runs/small/slt-80-seed3"
    assert value("--mask-from") == "runs/small/slt-50-seed3/checkpoint_last.pt"
    assert value("--rewind-from") == "runs/small/slt-50-seed3/rewind_5.pt"
    assert value("--sparsity") == "0.8"
    assert value("--best-checkpoint-metric") == "bleu"
    assert value("--log-interval") == "7"
    assert value("--distributed-world-size") == "1"
    assert "--cpu" not in arguments
    assert {"--eval-bleu", "--maximize-best-checkpoint-metric", "--memory-efficient-fp16"} <= set(arguments)


def test_other_commands():
    recipe = make_recipe(corpus={"name": "numbers", "target": "fr", "size": 500}, generation={"beam": 2})
    run = expand(recipe)[0]
    assert data_command(run.settings["corpus"], PLACES) == [
        *["D", "numbers", "--out", "data-bin/numbers.en-de", "--source", "en", "--target", "fr", "--size", "500"]
    ]
    folder = "runs/small/dense-seed1"
    assert score_command(run, PLACES) == [
        *["S", "--checkpoint", f"{folder}/checkpoint_best.pt", "--data", "data-bin/numbers.en-de"],
        *[
            "--out",
            f"{folder}/scores.json",
            "--beam",
            "2",
            "--lenpen",
            "1.0",
            "--max-tokens",
            "4000",
            "--subset",
            "test",
        ],
    ]
    assert report_command(PLACES) == ["R", "runs/small", "--data", "data-bin/numbers.en-de"]


def test_a_tokenizer_of_bleu_is_that_of_the_validation_too():
    run = expand(make_recipe(generation={"tokenize": "char"}))[0]
    arguments = train_arguments(run, PLACES)
    assert arguments[arguments.index("--eval-bleu-tokenize") + 1] == "char"
    assert score_command(run, PLACES)[-2:] == ["--tokenize", "char"]
    assert "--eval-bleu-tokenize" not in train_arguments(expand(make_recipe())[0], PLACES)


def test_what_trains_on_a_cpu_is_scored_there():
    run = expand(make_recipe(training={"max_update": 100, "cpu": True}))[0]
    assert "--cpu" in train_arguments(run, PLACES)
    assert score_command(run, PLACES)[-1] == "--cpu"
    several = expand(make_recipe(training={"max_update": 100, "distributed-world-size": 4}))[0]
    arguments = train_arguments(several, PLACES)
    assert arguments[arguments.index("--distributed-world-size") + 1] == "4"
    assert "--distributed-world-size" not in score_command(several, PLACES)


def test_curves_of_each_run_have_a_folder_of_their_own():
    training = {"max_update": 100, "tensorboard-logdir": "curves"}
    for run in expand(make_recipe(training=training)):
        words = train_arguments(run, PLACES)
        assert words[words.index("--tensorboard-logdir") + 1] == f"curves/{run.name}"


def test_the_data_folder_is_named_after_the_corpus():
    assert make_recipe().data_folder(Path("d")) == Path("d/numbers.en-de")
    assert make_recipe(corpus={"name": "plain", "folder": "mine"}).data_folder(Path("d")) == Path("d/mine")
