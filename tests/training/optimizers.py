"""fairseq's own optimizers and mixed-precision wrappers, built on the CPU."""

import warnings
from argparse import Namespace
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fairseq.optim import AMPOptimizer, FP16Optimizer, MemoryEfficientFP16Optimizer
from fairseq.optim.adafactor import FairseqAdafactor
from fairseq.optim.adagrad import Adagrad
from fairseq.optim.adam import FairseqAdam
from fairseq.optim.nag import FairseqNAG
from fairseq.optim.sgd import SGD
from torch import nn

Build = Callable[[Any], Any]

COMMON = {"lr": [0.02], "weight_decay": 0.1}
ADAFACTOR = {
    "adafactor_eps": "(1e-30, 1e-3)",
    "clip_threshold": 1.0,
    "decay_rate": -0.8,
    "scale_parameter": False,
    "relative_step": False,
    "warmup_init": False,
}


def adam(parameters: Any) -> FairseqAdam:
    settings = {"adam_betas": "(0.9, 0.98)", "adam_eps": 1e-8, "use_old_adam": True, "fp16_adam_stats": False}
    return FairseqAdam(Namespace(**COMMON, **settings), parameters)


def adafactor(parameters: Any, beta1: float | None = 0.9) -> FairseqAdafactor:
    return FairseqAdafactor(Namespace(**COMMON, **ADAFACTOR, beta1=beta1), parameters)


def adafactor_without_momentum(parameters: Any) -> FairseqAdafactor:
    return adafactor(parameters, None)


def nag(parameters: Any) -> FairseqNAG:
    return FairseqNAG(Namespace(**COMMON, momentum=0.9), parameters)


def sgd(parameters: Any) -> SGD:
    return SGD(Namespace(**COMMON, momentum=0.9), parameters)


def adagrad(parameters: Any) -> Adagrad:
    return Adagrad(Namespace(**COMMON), parameters)


OPTIMIZERS: dict[str, tuple[Build, bool]] = {
    "adam": (adam, True),
    "adafactor": (adafactor, True),
    "adafactor without momentum": (adafactor_without_momentum, False),
    "nag": (nag, True),
    "sgd": (sgd, True),
    "adagrad": (adagrad, False),
}
"""Optimizers, and whether each brings pruned weights back if only their gradients are masked."""


def _precision(bf16: bool) -> Any:
    common = {"fp16_scale_window": 100, "fp16_init_scale": 4, "fp16_scale_tolerance": 0.0, "bf16": bf16}
    common |= {"threshold_loss_scale": None, "min_loss_scale": 1e-4}
    return SimpleNamespace(optimizer=None, common=SimpleNamespace(**common))


def flat_fp16(parameters: list[nn.Parameter], build: Build = adam) -> FP16Optimizer:
    """--fp16: one flat master copy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "current_device", lambda: None)  # what a CPU tensor's device.index is
        copies = FP16Optimizer.build_fp32_params(None, parameters, flatten=True)
    return FP16Optimizer(_precision(False), parameters, build(list(copies.values())), copies)


def fp16(parameters: list[nn.Parameter], build: Build = adam) -> FP16Optimizer:
    """--fp16 --fp16-no-flatten-grads: a master copy per parameter."""
    copies = FP16Optimizer.build_fp32_params(None, parameters, flatten=False)
    return FP16Optimizer(_precision(False), parameters, build(copies), copies)


def bf16(parameters: list[nn.Parameter], build: Build = adam) -> FP16Optimizer:
    """--bf16: a master copy per parameter and no loss scale."""
    copies = FP16Optimizer.build_fp32_params(None, parameters, flatten=False)
    return FP16Optimizer(_precision(True), parameters, build(copies), copies)


def memory_efficient_fp16(parameters: list[nn.Parameter], build: Build = adam) -> MemoryEfficientFP16Optimizer:
    """--memory-efficient-fp16: no master copy, moments in fp32."""
    return MemoryEfficientFP16Optimizer(_precision(False), parameters, build(parameters))


def amp(parameters: list[nn.Parameter], build: Build = adam) -> AMPOptimizer:
    """--amp: fp32 parameters; the scaler itself is off on a CPU."""
    with warnings.catch_warnings(action="ignore"):
        return AMPOptimizer(_precision(False), parameters, build(parameters))


WRAPPERS: dict[str, tuple[Callable[..., Any], torch.dtype]] = {
    "flat fp16": (flat_fp16, torch.float16),
    "fp16": (fp16, torch.float16),
    "bf16": (bf16, torch.bfloat16),
    "memory-efficient fp16": (memory_efficient_fp16, torch.float16),
    "amp": (amp, torch.float32),
}
"""Mixed-precision wrappers and the type of the model's weights under each."""
