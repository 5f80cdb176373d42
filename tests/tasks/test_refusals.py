"""Bad input ends a training before it begins: one line that says what to do, status 1, nothing written."""

import sys
from pathlib import Path

import pytest
import torch

from tests import programs
from tests.tasks.training import arguments, load, train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(corpus, dense, tmp_path_factory) -> dict[str, Path]:
    """Files to start from, most of them bad."""
    folder = tmp_path_factory.mktemp("files")
    made = {
        "dense": dense.folder / "checkpoint_last.pt",
        "rewind": dense.folder / "rewind_4.pt",
        "missing": folder / "missing.pt",
        "truncated": folder / "truncated.pt",
        "text": folder / "text.pt",
        "foreign": folder / "foreign.pt",
        "language model": folder / "lm.pt",
        "text mask": folder / "text.safetensors",
        "missing mask": folder / "missing.safetensors",
        "folder": folder,
    }
    made["truncated"].write_bytes(made["dense"].read_bytes()[:-1000])
    made["text"].write_text("no checkpoint")
    made["text mask"].write_text("this is no mask")
    torch.save({"weights": torch.ones(3)}, made["foreign"])
    torch.save({"model": {"lstm.weight_ih_l0": torch.ones(3, 3)}}, made["language model"])
    others = {
        "wider": "--encoder-ffn-embed-dim 28",
        "deeper": "--decoder-layers 2",
        "untied": "--share-decoder-input-output-embed",
        "sparse": "--sparsity 0.5",
        "prenorm": "--decoder-normalize-before",
    }
    for name, flags in others.items():
        if name == "untied":
            train(corpus, folder / name, "--max-update 1", flags, without="--share-all-embeddings")
        else:
            train(corpus, folder / name, "--max-update 1", flags)
        made[name] = folder / name / "checkpoint_last.pt"
    state = load(made["dense"])
    for key in ("encoder.embed_tokens", "decoder.embed_tokens", "decoder.output_projection"):
        state["model"][f"{key}.weight"] = state["model"]["encoder.embed_tokens.weight"][:20].clone()
    made["vocabulary"] = folder / "vocabulary.pt"
    torch.save(state, made["vocabulary"])
    from nmt_prune.checkpoints import Checkpoint
    from nmt_prune.masks.mask_file import save_masks

    for name in ("wider", "vocabulary", "sparse"):
        made[f"{name} mask"] = folder / f"{name}.safetensors"
        save_masks(Checkpoint.load(made[name]).masks, made[f"{name} mask"], {})
    return made


CASES = {
    # files
    "--mask-from {missing} --sparsity 0.5": "missing.pt does not exist",
    "--mask-from {truncated} --sparsity 0.5": "truncated.pt cannot be read as a checkpoint",
    "--mask-from {text} --sparsity 0.5": "text.pt is a text, not a checkpoint",
    "--mask-from {foreign} --sparsity 0.5": "foreign.pt is not a fairseq checkpoint",
    "--mask-from {language model} --sparsity 0.5": "lm.pt: the checkpoint holds no matrix",
    "--mask-from {folder} --sparsity 0.5": "is a folder",
    "--mask-from {dense} --sparsity 0.5 --reset rewind --rewind-from {missing}": "missing.pt does not exist",
    "--mask-from {dense} --sparsity 0.5 --reset rewind --rewind-from {truncated}": "truncated.pt cannot be read",
    "--mask-from {dense} --sparsity 0.5 --reset rewind --rewind-from {foreign}": "foreign.pt is not a fairseq",
    "--mask-from {missing mask}": "missing.safetensors does not exist",
    "--mask-from {text mask}": "text.safetensors is a text, not a mask file",
    # another architecture
    "--mask-from {wider} --sparsity 0.5": r"fc1\.weight is \(28, 16\) there and \(20, 16\)",
    "--mask-from {deeper} --sparsity 0.5": r"decoder\.layers\.1\.\S+ is \(16, 16\) there and missing",
    "--mask-from {dense} --sparsity 0.5 --decoder-layers 2": r"decoder\.layers\.1\.\S+ is missing there",
    "--mask-from {untied} --sparsity 0.5": r"decoder\.embed_tokens\.weight is \(24, 16\) there and missing",
    "--mask-from {vocabulary} --sparsity 0.5": r"embed_tokens\.weight is \(20, 16\) there and \(24, 16\)",
    "--mask-from {wider mask}": r"fc1\.weight is \(28, 16\) there and \(20, 16\) in the model",
    "--mask-from {vocabulary mask}": r"embed_tokens\.weight is \(20, 16\) there and \(24, 16\) in the model",
    "--mask-from {wider mask} --reset rewind --rewind-from {rewind}": r"wider\.safetensors: .*fc1\.weight",
    "--mask-from {dense} --sparsity 0.5 --reset rewind --rewind-from {wider}": "_last.pt is of another architecture",
    "--mask-from {dense} --sparsity 0.5 --reset rewind --rewind-from {deeper}": "is of another architecture",
    "--mask-from {wider} --sparsity 0.5 --reset rewind --rewind-from {wider}": r"is \(28, 16\) there and \(20, 16\)",
    # numbers
    "--sparsity 1": r"--sparsity 1 is outside \[0, 1\)",
    "--sparsity -0.1": "outside",
    "--sparsity 50 --schedule cubic": "outside",
    "--sparsity nan": "outside",
    "--mask-from {dense} --sparsity 1.5": "outside",
    "--mask-from {sparse} --sparsity 0.4": r"sparsity 0\.4 is below what is already pruned \(0\.5",
    "--mask-from {sparse mask} --sparsity 0.4": "below what is already pruned",
    "--sparsity 0.5 --schedule cubic:end=100": "end=100 lies after --max-update 12",
    # names
    "--sparsity 0.5 --saliency magnitud": "unknown saliency 'magnitud'; did you mean magnitude",
    "--sparsity 0.5 --budget layer": "unknown budget 'layer'",
    "--sparsity 0.5 --budget erk:flor=1": "unknown setting 'flor'",
    "--sparsity 0.5 --schedule cubik": "unknown schedule 'cubik'",
    "--sparsity 0.5 --schedule cubic:interval=often": "interval='often'",
    "--sparsity 0.5 --mask-control mirrored": "unknown mask control 'mirrored'",
    "--sparsity 0.5 --prune-set head": "unknown prune set 'head'",
    "--mask-from {dense} --sparsity 0.5 --reset rewnd": "unknown reset 'rewnd'",
    "--mask-from {dense} --sparsity 0.5 --clock stop": "unknown clock 'stop'",
    "--mask-from {dense} --sparsity 0.5 --rewind-points soon": "--rewind-points 'soon'",
    "--mask-from {dense} --sparsity 0.5 --rewind-points -4": "--rewind-points '-4'",
    "--mask-from {dense} --sparsity 0.5 --extension {missing}": "does not exist",
    # contradictions
    "--restore-file {dense} --mask-from {dense} --sparsity 0.5": "--restore-file .* and --mask-from both",
    "--restore-file {missing} --mask-from {dense} --sparsity 0.5": "--restore-file .* does not exist",
    "--finetune-from-model {dense} --mask-from {dense} --sparsity 0.5": "--finetune-from-model .* and --mask-from both",
    "--finetune-from-model {dense} --sparsity 0.5": "--finetune-from-model .* --mask-from",
    "--rewind-from {rewind} --reset rewind": "--rewind-from needs --mask-from",
    "--mask-from {dense} --sparsity 0.5 --reset rewind": "give --rewind-from",
    "--mask-from {dense} --sparsity 0.5 --clock rewind": "give --rewind-from",
    "--mask-from {sparse mask} --reset rewind": "--rewind-from",
    "--sparsity 0.5 --reset sign": "--reset sign",
    "--sparsity 0.5 --clock keep": "--clock keep",
    "--mask-from {dense} --sparsity 0.5 --clock keep --schedule cubic": (
        "--clock keep starts at update 12, after --schedule cubic has ended: nothing would be pruned"
    ),
    "--mask-from {dense} --sparsity 0.5 --clock keep --schedule oneshot:at=12 --max-update 16": "starts at update 12",
    "--mask-from {dense} --rewind-from {rewind} --sparsity 0.5 --clock rewind --schedule cubic:end=4,interval=1": (
        "--clock rewind starts at update 4, after --schedule cubic:end=4,interval=1 has ended"
    ),
    "--mask-from {dense} --sparsity 0.5 --saliency random --clock keep --schedule rigl:interval=1 --max-update 16": (
        "--clock keep starts at update 12, after --schedule rigl:interval=1 has ended"
    ),
    "--mask-from {dense} --sparsity 0.5 --clock keep --max-update 16 --reset-optimizer": (
        "--clock keep goes on with an optimizer and its update number, which --reset-optimizer throws away"
    ),
    "--mask-from {dense} --rewind-from {rewind} --sparsity 0.5 --clock rewind --lr-scheduler fixed --force-anneal 2": (
        "--lr-scheduler fixed sets the learning rate"
    ),
    "--mask-from {dense} --sparsity 0.5 --clock keep --max-update 16 --optimizer sgd": (
        "--clock keep goes on after a training with the optimizer FairseqAdam, not SGD"
    ),
    "--restore-file {dense} --max-update 16 --store-ema": "holds no average for --store-ema to go on with",
    "--restore-file {dense} --max-update 16 --layernorm-embedding": (
        r"decoder\.layernorm_embedding\.bias is missing there and \(16,\) by the flags"
    ),
    "--mask-from {dense} --sparsity 0.5 --encoder-attention-heads 4": "--encoder-attention-heads is 2 there and 4 by",
    "--restore-file {dense} --max-update 16 --no-scale-embedding": "--no-scale-embedding is False there and True by",
    "--finetune-from-model {dense} --activation-fn gelu": "--activation-fn is relu there and gelu by the flags",
    "--restore-file {prenorm} --max-update 16": r"decoder\.layer_norm\.bias is \(16,\) there and missing by the flags",
    "--restore-file {dense} --max-update 16 --fp16 --fp16-no-flatten-grads": (
        "last.pt comes of a training with the optimizer FairseqAdam, not"
    ),
    # what would do nothing
    "--mask-from {dense}": "is dense, and there is no --sparsity",
    "--mask-from {dense} --sparsity 0.5 --rewind-from {rewind}": "used by neither --reset keep nor --clock restart",
    "--saliency random": "--saliency random does nothing here: no --sparsity",
    "--budget erk --sparsity 0": "--budget erk does nothing here",
    "--schedule cubic": "--schedule cubic does nothing here",
    "--group head": "--group head does nothing here",
    "--prune-set body": "--prune-set body does nothing here",
    "--mask-from {sparse} --mask-control shuffled": "--mask-control shuffled does nothing here: .* than .* has pruned",
    "--mask-from {sparse mask} --mask-control inverted": "--mask-control inverted does nothing here",
    "--mask-from {dense} --sparsity 0.5 --calibration-batches 3": "--saliency magnitude is not measured on data",
    "--rewind-points 0,13": "from update 0 to --max-update 12 and would never write rewind_13.pt",
    "--mask-from {dense} --sparsity 0.5 --clock keep --max-update 16 --rewind-points 0": "never write rewind_0.pt",
    "--mask-from {dense} --sparsity 0.5 --clock keep --max-update 16 --rewind-points 12": "never write rewind_12.pt",
    "--sparsity 0.5 --schedule cubic --keep-best-checkpoints 2": "by loss would keep denser ones",
    "--arch transformer_tiny --sparsity 0.5": "needs a masked model, e.g. --arch masked_transformer",
    # what masks cannot reach
    "--mask-from {dense} --sparsity 0.5 --ddp-backend fully_sharded": "fully_sharded",
    "--mask-from {dense} --sparsity 0.5 --ddp-backend slowmo": "slowmo",
    "--mask-from {dense} --sparsity 0.5 --use-bmuf": "--use-bmuf",
    "--mask-from {dense} --sparsity 0.5 --zero-sharding os": "--zero-sharding os",
    "--mask-from {dense} --sparsity 0.5 --schedule cubic --store-ema --ema-fp32 --fp16 --fp16-no-flatten-grads": (
        "--ema-fp32 with --fp16"
    ),
    "--sparsity 0.5 --schedule cubic --store-ema --ema-fp32 --memory-efficient-fp16": "--ema-fp32 with --fp16",
    # what fairseq itself fails on
    "--encoder-layers-to-keep 0": "--encoder-layers-to-keep cannot be read .* take --encoder-layers 1",
    "--decoder-layers-to-keep 0,1": "--decoder-layers-to-keep cannot be read .* take --decoder-layers 2",
    "--base-layers 1": "--base-layers: layers of experts cannot be masked",
}  # fmt: skip


@pytest.mark.parametrize("flags", CASES)
def test_one_line_and_nothing_written(corpus, tmp_path, files, flags):
    save_dir = tmp_path / "run"
    words = [word.format_map(files) for word in split(flags)]
    with pytest.raises(SystemExit, match=CASES[flags]) as stopped:
        train(corpus, save_dir, *(Path(word) if "/" in word else word for word in words))
    message = stopped.value.code
    assert isinstance(message, str)  # which Python prints before it exits with status 1
    assert message.startswith("nmt-prune: error: ")
    assert "\n" not in message
    assert not save_dir.exists() or list(save_dir.iterdir()) == []


WITHOUT_DEVICES = {
    "--fp16": "--fp16: fairseq keeps its fp32 weights on a GPU, and torch sees none; .* --fp16-no-flatten-grads",
    "--quant-noise-scalar 0.5": "--quant-noise-scalar: .* torch sees none; take --quantizer uniform",
    "--bf16": "--bf16: fairseq-train wants a TPU and torch_xla",
    "--memory-efficient-bf16": "--bf16: fairseq-train wants a TPU and torch_xla",
    "--tpu": "--tpu: fairseq-train wants a TPU",
}


@pytest.mark.parametrize("flags", WITHOUT_DEVICES)
def test_devices_that_are_not_here(monkeypatch, corpus, tmp_path, flags):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match=WITHOUT_DEVICES[flags]):
        train(corpus, tmp_path / "run", flags)
    assert not (tmp_path / "run").exists() or list((tmp_path / "run").iterdir()) == []


def split(flags: str) -> list[str]:
    """Words, file names in braces whole."""
    words: list[str] = []
    for word in flags.split():
        if words and words[-1].startswith("{") and not words[-1].endswith("}"):
            words[-1] += f" {word}"
        else:
            words.append(word)
    return words


def test_what_is_in_the_folder_stays(corpus, tmp_path, files):
    (tmp_path / "checkpoint_best.pt").write_text("precious")
    (tmp_path / "pruning.json").write_text("precious")
    with pytest.raises(SystemExit):
        train(corpus, tmp_path, "--mask-from", files["wider"], "--sparsity 0.5")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "checkpoint_best.pt": "precious",
        "pruning.json": "precious",
    }


def test_the_command_exits_with_status_1(corpus, tmp_path, files):
    words = arguments(corpus, tmp_path / "run", "--mask-from", files["missing"], "--sparsity 0.5")
    finished = programs.run([sys.executable, "-m", "fairseq_cli.train", *words])
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1].startswith("nmt-prune: error: checkpoint ")
    assert "Traceback" not in finished.stderr
