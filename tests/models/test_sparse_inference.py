"""Translating with layers that skip their zeros: the same outputs, by a stand-in for the kernels and by themselves."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fairseq_cli import generate
from torch import nn

from nmt_prune.models.sparse_inference import SkippingZeros, pays, skip_zeros
from tests.models.shrinking import translations
from tests.models.test_decoding import at_once, step_by_step
from tests.models.test_fairseq_commands import PLUGIN, TRANSLATION, checkpoint, hypotheses, in_process
from tests.models.test_shrunk_transformer import PRE_NORM, WIDTHS
from tests.tiny_model import TYINGS, tiny_model

ENGINE = "nmt_prune.runtime._engine"


class StandIn:
    """A matrix of compressed sparse rows, in NumPy; counts what it multiplies."""

    products = 0

    def __init__(self, starts, columns, values, scales, shape):
        assert (starts.dtype, columns.dtype, values.dtype, scales) == (np.int64, np.uint32, np.float32, None)
        self.array = np.zeros(shape, np.float32)
        for row in range(shape[0]):
            kept = slice(starts[row], starts[row + 1])
            assert (np.diff(columns[kept].astype(int)) > 0).all()
            self.array[row, columns[kept]] = values[kept]

    @classmethod
    def sparse(cls, *arguments):
        return cls(*arguments)

    def multiply(self, x, bias=None):
        assert x.flags.c_contiguous
        StandIn.products += 1
        found = x @ self.array.T
        return found if bias is None else found + bias


@pytest.fixture(params=["stand-in", "compiled"])
def kernels(request, monkeypatch):
    if request.param == "compiled":
        pytest.importorskip(ENGINE, reason="the compiled engine was not built")
    else:
        monkeypatch.setattr(StandIn, "products", 0)
        monkeypatch.setitem(sys.modules, ENGINE, SimpleNamespace(Matrix=StandIn))
    return request.param


@pytest.fixture
def stand_in(monkeypatch):
    monkeypatch.setattr(StandIn, "products", 0)
    monkeypatch.setitem(sys.modules, ENGINE, SimpleNamespace(Matrix=StandIn))
    return StandIn


@pytest.fixture(autouse=True)
def _one_thread_here(set_threads):
    set_threads(1)


def sparse_model(*arguments, density: float = 0.3, **flags) -> nn.Module:
    model = tiny_model(*arguments, **flags).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2:
                parameter.mul_(torch.rand_like(parameter) < density)
            elif name.endswith("bias"):
                parameter.normal_()
    return model


@torch.no_grad()
def outputs(model: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    return at_once(model), step_by_step(model)


@pytest.mark.parametrize("tying", TYINGS)
def test_outputs_stay(tying, kernels):
    model = sparse_model(tying, encoder_attention_heads=4)
    expected, state = outputs(model), {name: tensor.clone() for name, tensor in model.state_dict().items()}
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    assert skip_zeros(model) == len(linear) == 17
    torch.testing.assert_close(outputs(model), expected, atol=1e-5, rtol=1e-5)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    if kernels == "stand-in":
        # At once: all 17. Five steps: the encoder's 6, those of the cross-attention's keys and values once or always.
        assert StandIn.products >= 17 + 6 + 5 * 9


@pytest.mark.parametrize("norm", [{}, PRE_NORM], ids=["post-norm", "pre-norm"])
def test_outputs_of_a_shrunk_model_stay(norm, kernels):
    sizes = {f"{stack}_{part}": count for stack in ("encoder", "decoder") for part, count in PARTS.items()}
    model = sparse_model(arch="shrunk_transformer_tiny", **sizes, **WIDTHS, **norm)
    expected = outputs(model)
    assert skip_zeros(model) == 4 + 2 + 4 + 2 * 4 + 2 + 1
    torch.testing.assert_close(outputs(model), expected, atol=1e-5, rtol=1e-5)


PARTS = {"layers": 2, "attention_heads": 4}


def test_what_is_dense_is_left_alone(stand_in):
    model = sparse_model(density=0.9)
    with torch.no_grad():
        model.decoder.layers[0].fc1.weight[:, 1:] = 0
    assert skip_zeros(model) == 1
    assert isinstance(model.decoder.layers[0].fc1.forward, SkippingZeros)
    assert not any(module.skip_embed_dim_check for module in model.modules() if hasattr(module, "num_heads"))
    outputs(model)
    assert stand_in.products == 1 + 5
    assert skip_zeros(tiny_model()) == 0


def test_it_pays():
    assert [pays(density, tokens=40, threads=1) for density in (0.1, 0.5, 0.51)] == [True, True, False]
    assert [pays(density, tokens=1, threads=1) for density in (0.1, 0.2, 0.21)] == [True, True, False]
    assert [pays(0.1, 40, threads) for threads in (1, 5, 6)] == [True, True, False]


def test_more_threads_make_the_dense_product_faster(stand_in, set_threads):
    model = sparse_model()
    skip_zeros(model)
    set_threads(8)
    outputs(model)
    assert stand_in.products == 0


def test_it_is_dense_with_gradients_and_in_half_precision(stand_in):
    model = sparse_model()
    skip_zeros(model)
    at_once(model).sum().backward()
    assert model.encoder.layers[0].self_attn.q_proj.weight.grad.abs().sum() > 0
    layer = model.decoder.layers[0].fc1.to(torch.bfloat16)
    with torch.no_grad():
        assert layer(torch.ones(3, 16, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert stand_in.products == 0
    half = sparse_model().to(torch.bfloat16)
    assert skip_zeros(half) == 0


def test_changed_weights_are_used(stand_in):
    model = sparse_model()
    skip_zeros(model)
    layer = model.decoder.layers[0].fc1
    with torch.no_grad():
        layer.weight.mul_(2)
        layer.bias.zero_()
        torch.testing.assert_close(layer(torch.ones(2, 16)), layer.weight.sum(dim=1).expand(2, -1))
    assert stand_in.products == 0


def test_nothing_to_multiply(kernels):
    model = sparse_model()
    skip_zeros(model)
    with torch.no_grad():
        assert model.decoder.layers[0].fc1(torch.ones(0, 3, 16)).shape == (0, 3, 24)


def test_without_the_compiled_engine_it_says_so(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, ENGINE, None)
    with caplog.at_level("INFO"):
        assert skip_zeros(sparse_model()) == 0
    assert "the compiled engine was not built" in caplog.text


def test_same_translations(corpus, pruned, kernels):
    path = checkpoint(pruned)
    found = translations(corpus, path)
    assert kernels == "compiled" or StandIn.products > 20
    dense = translations(corpus, path, dense_inference=True)
    assert [tokens for tokens, _ in found] == [tokens for tokens, _ in dense]
    np.testing.assert_allclose([score for _, score in found], [score for _, score in dense], atol=1e-4)


@pytest.mark.slow
def test_fairseq_generate(corpus, pruned, stand_in, capsys):
    words = (corpus, PLUGIN, TRANSLATION, "--path", checkpoint(pruned))
    output, log = in_process(generate.cli_main, capsys, *words)
    assert "17 linear layers skip zeros on one thread" in log
    dense, log = in_process(generate.cli_main, capsys, *words, "--model-overrides {'dense_inference':True}")
    assert "skip zeros" not in log
    assert hypotheses(output) == hypotheses(dense)
