"""fairseq's commands work with a masked checkpoint: as a user types them, without environment variables."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fairseq.checkpoint_utils import load_model_ensemble_and_task
from fairseq_cli import generate, interactive, validate

from nmt_prune.checkpoints import Checkpoint, save
from nmt_prune.checkpoints.stock import strip
from tests.tasks.corpus import SIZES
from tests.tasks.fairseq_command import USER_DIR, run
from tests.tasks.training import STOCK, Training, assert_same

pytestmark = pytest.mark.slow

PLUGIN = f"--user-dir {USER_DIR} --cpu"
# A multiple of 8, the default, would leave out what does not fill a batch: here all of it.
BATCHES = "--max-tokens 400 --required-batch-size-multiple 1"
TRANSLATION = f"-s en -t de --beam 2 --gen-subset test {BATCHES}"
TASKS = ["translation", "translation_pruning"]


def command(name: str, *arguments: object) -> str:
    """Runs a fairseq command in a process of its own."""
    words = [word for argument in arguments for word in (argument.split() if isinstance(argument, str) else [argument])]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TORCH_")}
    program = [sys.executable, "-m", f"fairseq_cli.{name}", *map(str, words)]
    finished = subprocess.run(
        program, capture_output=True, text=True, timeout=120, env={**environment, "OMP_NUM_THREADS": "1"}
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return finished.stdout


def hypotheses(output: str) -> dict[int, str]:
    return {int(number): text for number, text in re.findall(r"^H-(\d+)\t\S+\t(.*)$", output, re.MULTILINE)}


def checkpoint(training: Training) -> Path:
    return training.folder / "checkpoint_last.pt"


def test_generate_in_its_own_process(corpus, pruned):
    words = f"{TRANSLATION} --task translation"
    found = hypotheses(command("generate", corpus, PLUGIN, words, "--path", checkpoint(pruned)))
    assert found.keys() == set(range(SIZES["test"]))
    assert any(found.values())


def in_process(cli_main, capsys, *arguments: object) -> tuple[str, str]:
    words = [word for argument in arguments for word in (argument.split() if isinstance(argument, str) else [argument])]
    log = run(cli_main, *words)
    return capsys.readouterr().out, "\n".join(message for _, message in log)


def test_generate_with_either_task(corpus, pruned, capsys):
    flags = (corpus, PLUGIN, TRANSLATION, "--path", checkpoint(pruned))
    outputs = [hypotheses(in_process(generate.cli_main, capsys, *flags, f"--task {task}")[0]) for task in TASKS]
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) == SIZES["test"]


@pytest.mark.parametrize("task", TASKS)
def test_interactive(corpus, pruned, capsys, tmp_path, task):
    (tmp_path / "input").write_text("one two three\nseven\n")
    words = f"-s en -t de --beam 2 --task {task} --input {tmp_path}/input"
    output, _ = in_process(interactive.cli_main, capsys, corpus, PLUGIN, words, "--path", checkpoint(pruned))
    assert len(hypotheses(output)) == 2


@pytest.mark.parametrize("task", TASKS)
def test_validate(corpus, pruned, capsys, task):
    words = f"--task {task} -s en -t de {BATCHES} --valid-subset valid --log-format json"
    words += " --criterion label_smoothed_cross_entropy --label-smoothing 0.1"
    _, log = in_process(validate.cli_main, capsys, corpus, PLUGIN, words, "--path", checkpoint(pruned))
    loss = float(re.search(r'"valid_loss": "([\d.]+)"', log)[1])
    assert 0 < loss < 4.5


def test_a_rewind_point_translates_too(corpus, dense, capsys):
    path = dense.folder / "rewind_4.pt"
    output, _ = in_process(generate.cli_main, capsys, corpus, PLUGIN, TRANSLATION, "--max-len-b 5", "--path", path)
    assert len(hypotheses(output)) == SIZES["test"]


def test_hydra(corpus, tmp_path):
    """The same training as with flags, also resumed."""
    settings = [
        f"common.user_dir={USER_DIR}", "common.cpu=true", "common.log_format=json", "common.log_interval=1",
        "++task._name=translation_pruning", f"++task.data={corpus}", "++task.source_lang=en", "++task.target_lang=de",
        "++task.sparsity=0.5", "++task.schedule='cubic:interval=2,end=4'", "++task.rewind_points='0,3'",
        "++model._name=masked_transformer_tiny", "++model.encoder_embed_dim=16", "++model.encoder_ffn_embed_dim=20",
        "++model.encoder_layers=1", "++model.decoder_layers=1", "++model.share_all_embeddings=true",
        "criterion=label_smoothed_cross_entropy", "++criterion.label_smoothing=0.1", "optimizer=adam",
        "lr_scheduler=inverse_sqrt", "++lr_scheduler.warmup_updates=4", "optimization.lr=[0.01]",
        "optimization.clip_norm=1", "dataset.max_tokens=200", "dataset.num_workers=0",
        "dataset.disable_validation=true", "distributed_training.distributed_world_size=1",
        "checkpoint.no_epoch_checkpoints=true", f"checkpoint.save_dir={tmp_path}/hydra", f"hydra.run.dir={tmp_path}/h",
        # Without fairseq's thread that collates ahead: one that still runs when Python ends can abort the process.
        "dataset.data_buffer_size=0",
    ]  # fmt: skip
    hydra = Training(tmp_path / "hydra", [])
    command("hydra_train", *(Path(setting) for setting in settings), "optimization.max_update=4")
    first = hydra.masks()
    assert {path.name for path in hydra.folder.glob("rewind_*")} == {"rewind_0.pt", "rewind_3.pt"}
    command("hydra_train", *(Path(setting) for setting in settings), "optimization.max_update=8")
    masks = hydra.masks()
    assert len(masks) == 17
    assert not any((mask & ~first[key]).any() for key, mask in masks.items())
    assert sum(int((~mask).sum()) for mask in masks.values()) == pytest.approx(0.5 * 5000, rel=0.1)
    for dense in (False, True):
        models, _, _ = load_model_ensemble_and_task([str(checkpoint(hydra))], {"dense_inference": dense})
        assert models[0].dense_inference is dense


def test_stock_fairseq_trains_a_stripped_model_on(run_training, pruned, tmp_path, corpus, capsys):
    """``nmt-prune strip`` writes a checkpoint of the stock task and architecture."""
    save(strip(Checkpoint.load(checkpoint(pruned))), tmp_path / "stock.pt")
    stock, _ = in_process(generate.cli_main, capsys, corpus, TRANSLATION, "--cpu", "--path", tmp_path / "stock.pt")
    masked, _ = in_process(generate.cli_main, capsys, corpus, TRANSLATION, PLUGIN, "--path", checkpoint(pruned))
    assert hypotheses(stock) == hypotheses(masked)
    tuned = run_training("tuned", STOCK, "--finetune-from-model", tmp_path / "stock.pt", "--lr 0 --max-update 1")
    assert_same(tuned.weights(), pruned.weights())
