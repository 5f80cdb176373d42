"""No weight comes back, whatever steps and in whatever precision: every optimizer, every precision, mask growing."""

from collections.abc import Iterable

import pytest
import torch
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.tasks.translation import TranslationTask
from fairseq_cli import train as fairseq_train
from omegaconf import DictConfig

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.tasks import hardware
from nmt_prune.training.masking import Masking
from tests.devices import PRETENDED, everywhere, on_gpus
from tests.tasks.training import FC1, Training, assert_same

pytestmark = pytest.mark.slow

PRUNED = "--schedule cubic:interval=2 --sparsity 0.8"
OPTIMIZERS = {
    "adam": "--optimizer adam --weight-decay 0.1",
    "adafactor": "--optimizer adafactor --beta1 0.9 --weight-decay 0.1",
    "nag": "--optimizer nag --momentum 0.9 --weight-decay 0.1",
    "sgd": "--optimizer sgd --momentum 0.9 --lr 0.1 --weight-decay 0.1",
}
PRECISIONS = {
    "fp32": "",
    "bf16": "--bf16",
    "fp16": "--fp16 --fp16-no-flatten-grads --fp16-init-scale 4",
    "flat fp16": "--fp16 --fp16-init-scale 4",
    "memory-efficient fp16": "--memory-efficient-fp16 --fp16-init-scale 4",
    "memory-efficient bf16": "--memory-efficient-bf16",
    "amp": "--amp",
}
REAL_ONLY = ("flat fp16", "amp")
MASTERS = {"fp16": torch.float16, "flat fp16": torch.float16, "bf16": torch.bfloat16}


def assert_pruned(training: Training, sparsity: float = 0.8) -> None:
    masks, weights = training.masks(), training.weights()
    assert len(masks) == 17
    assert not any(weights[key][~mask].any() for key, mask in masks.items())
    last = training.progress()[-1]
    assert last["sparsity"] == pytest.approx(sparsity, abs=1e-3)
    assert {line["revived"] for line in training.progress()} == {0}


@pytest.fixture(autouse=True)
def _half_precision_on_a_cpu(monkeypatch, device):
    """fairseq's flat fp16 asks for a GPU, and ``fairseq-train --bf16`` for a TPU (``fairseq-hydra-train`` does not)."""
    if device != "cuda":
        monkeypatch.setattr(hardware, "sees_gpu", lambda: True)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: None)  # what a CPU tensor's device.index is

    def without_tpu(args: object) -> DictConfig:
        args.tpu = False
        return convert_namespace_to_omegaconf(args)

    monkeypatch.setattr(fairseq_train, "convert_namespace_to_omegaconf", without_tpu)


@everywhere
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers(run_training, optimizer):
    training = run_training("mp", PRUNED, OPTIMIZERS[optimizer])
    assert_pruned(training)
    assert training.progress()[-1]["loss"] < training.progress()[0]["loss"]


@everywhere
@pytest.mark.parametrize("precision", PRECISIONS)
def test_precisions(run_training, dense, precision, device):
    if device == PRETENDED and precision in REAL_ONLY:
        pytest.skip("fairseq looks into a GPU here that is only pretended")
    flags = PRECISIONS[precision]
    mp = run_training("mp", PRUNED, flags, "--rewind-points 4")
    assert_pruned(mp)
    dtype = torch.bfloat16 if "bf16" in flags else torch.float16
    in_half_precision = torch.equal(mp.weights()[FC1], mp.weights()[FC1].to(dtype).float())
    assert in_half_precision == (precision not in ("fp32", "amp"))
    ticket = ("--mask-from", mp.folder / "checkpoint_last.pt", "--rewind-from", mp.folder / "rewind_4.pt")
    assert_pruned(run_training("ticket", *ticket, "--sparsity 0.9 --reset rewind", flags), 0.9)
    assert_pruned(run_training("kept", *ticket[:2], "--sparsity 0.9 --clock keep --max-update 15", flags), 0.9)


@pytest.mark.parametrize(("precision", "dtype"), MASTERS.items())
def test_a_rewind_point_holds_the_master_copy(run_training, precision, dtype):
    training = run_training("dense", "--rewind-points 6 --max-update 6", PRECISIONS[precision])
    point, checkpoint = training.weights("rewind_6")[FC1], training.weights()[FC1]
    assert point.dtype == torch.float32
    assert torch.equal(point.to(dtype).float(), checkpoint)  # fairseq saves the rounded model, in float32
    assert not torch.equal(point, checkpoint)


def test_without_zeroed_moments_the_training_is_stopped(run_training, monkeypatch):
    """The control: gradients are masked, moments are not, and Adam's momentum revives what was pruned."""
    monkeypatch.setattr(Masking, "mask_optimizer", lambda masking, optimizer: None)
    with pytest.raises(SystemExit, match=r"after update 3: .* weights that the mask removes are not zero"):
        run_training("revived", PRUNED)


def test_without_masked_gradients_the_training_is_stopped(run_training, monkeypatch):
    monkeypatch.setattr(Masking, "mask_gradients", lambda masking: None)
    with pytest.raises(SystemExit, match="weights that the mask removes are not zero"):
        run_training("revived", PRUNED)


def test_nothing_revived_is_saved(run_training, monkeypatch):
    """Whoever writes to a pruned weight between two looks is found out at the next save."""
    monkeypatch.setattr(Masking, "mask_optimizer", lambda masking, optimizer: None)
    with pytest.raises(SystemExit, match=r"not saved after update 6: .* are not zero"):
        run_training("revived", "--schedule oneshot:at=4 --sparsity 0.5 --save-interval-updates 3 --log-interval 100")


@everywhere
def test_the_norm_that_is_clipped_is_that_of_the_survivors(run_training, dense, monkeypatch):
    every, surviving = [], []
    train_step = TranslationTask.train_step

    def spied(task, sample, model, *rest):
        output = train_step(task, sample, model, *rest)
        masks = model.masking.masks
        gradients = {name: parameter.grad / sample["ntokens"] for name, parameter in model.named_parameters()}
        every.append(norm(gradients.values()))
        surviving.append(norm(g * masks[name] if name in masks else g for name, g in gradients.items()))
        return output

    monkeypatch.setattr(TranslationTask, "train_step", spied)
    training = run_training("slt", "--mask-from", dense.folder / "checkpoint_last.pt", "--sparsity 0.5")
    reported = [line["gnorm"] for line in training.progress()]
    assert reported == pytest.approx(surviving, abs=6e-4)
    assert not any(gnorm == pytest.approx(dense, abs=6e-4) for gnorm, dense in zip(reported, every, strict=True))


def norm(gradients: Iterable[torch.Tensor]) -> float:
    return float(torch.stack([gradient.norm() for gradient in gradients]).norm())


@everywhere
@pytest.mark.parametrize("flags", ["--update-freq 3", "--update-freq 2 --fp16 --fp16-init-scale 4"])
def test_update_freq(run_training, flags, device):
    if device == PRETENDED and "--fp16" in flags:
        pytest.skip("fairseq looks into a GPU here that is only pretended")
    training = run_training("mp", PRUNED, flags)
    assert_pruned(training)
    assert len(training.progress()) == 12


@pytest.mark.gpu
@pytest.mark.parametrize("device", ["cuda"], indirect=True)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "flat fp16"])
def test_apex_adam(run_training, precision):
    """fairseq takes apex's fused Adam by itself where it is, which keeps its moments in its own way."""
    pytest.importorskip("apex.optimizers")
    assert_pruned(run_training("mp", PRUNED, PRECISIONS[precision]))


@on_gpus
def test_a_checkpoint_goes_from_one_device_to_the_other(run_training, dense, device):
    """Masks that the CPU's weights give are those of the GPU, and a training goes on on the other one."""
    ticket = ("--mask-from", dense.folder / "checkpoint_last.pt", "--sparsity 0.5", "--save-interval-updates 6")
    here, there = (run_training(name, *ticket, device=name) for name in ("cpu", device))
    assert_same(here.masks(), there.masks())
    for training in (here, there):
        training.folder.joinpath("checkpoint_1_6.pt").replace(training.folder / "checkpoint_last.pt")
    for name, other in (("cpu", device), (device, "cpu")):
        resumed = run_training(name, *ticket, device=other)
        assert [line["num_updates"] for line in resumed.progress()] == [*range(7, 13)]
        assert_pruned(resumed, 0.5)
        assert_same(resumed.masks(), here.masks())
        assert Checkpoint.load(resumed.folder / "checkpoint_last.pt").masks.digest() == digest_of(here)


def digest_of(training: Training) -> str:
    return Checkpoint.load(training.folder / "checkpoint_last.pt").masks.digest()
