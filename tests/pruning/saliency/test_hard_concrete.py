"""Hard-Concrete gates against samples, finite differences and an ungated model."""

from math import log

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.pruning.saliency.hard_concrete import expected_gate, probability_open, sampled_gate
from tests.pruning.saliency.learning import FC1, FC2, OneLayer, learner, update
from tests.tiny_model import real_loss, tiny_model

SCHEDULE = "oneshot:at=4"
HEADS = {"encoder": 4, "decoder": 4}  # 16 wide: four heads, as asked for below
GROUPS = {"head": "head", "unit": "unit"}


def model_of_four_heads():
    return tiny_model(encoder_attention_heads=4, decoder_attention_heads=4)


def learner_of(model, group, spec="hard-concrete", **settings):
    return learner(model, spec, SCHEDULE, group=group, head_dim=HEADS, **settings)


def exact_loss(model):
    """As tests.tiny_model.real_loss, but in double precision, which finite differences need."""
    source, target = torch.tensor([[1, 5, 6, 7, 2]]), torch.tensor([[2, 8, 9, 10]])
    logits, _ = model(source, torch.tensor([4]), target)
    return torch.nn.functional.cross_entropy(logits[0].double(), torch.tensor([8, 9, 10, 2]))


def families(group):
    blocks = ["encoder.layers.0.self_attn", "decoder.layers.0.self_attn", "decoder.layers.0.encoder_attn"]
    return blocks if group == "head" else ["encoder.layers.0.ffn", "decoder.layers.0.ffn"]


@pytest.mark.parametrize("log_alpha", [-3.0, -0.5, 0.0, 2.197])
def test_the_penalty_is_the_share_of_open_samples(log_alpha):
    noise = torch.rand(400_000, dtype=torch.float64)
    gates = sampled_gate(torch.full_like(noise, log_alpha), noise)
    chance = float(probability_open(torch.tensor(log_alpha)))
    assert float((gates > 0).double().mean()) == pytest.approx(chance, abs=0.003)
    assert gates.min() >= 0
    assert gates.max() <= 1


def test_a_gate_by_hand():
    # u = 0.8: log 4; with log α = 0 and τ = 0.33 the logistic of 4.2009 is 0.98524: 1.2 · 0.98524 - 0.1, clipped.
    assert float(sampled_gate(torch.tensor(0.0), torch.tensor(0.8))) == 1
    # u = 0.4: log(2 / 3) / 0.33 = -1.22868, the logistic of which is 0.22641.
    assert float(sampled_gate(torch.tensor(0.0), torch.tensor(0.4))) == pytest.approx(1.2 * 0.22641 - 0.1, abs=1e-5)
    assert float(sampled_gate(torch.tensor(-2.0), torch.tensor(0.4))) == 0
    assert expected_gate(torch.tensor([0.0, -2.5, 2.5])).tolist() == pytest.approx([0.5, 0.0, 1.0])
    # γ = -0.1, ζ = 1.1: the gate opens where log α > 0.33 log(0.1 / 1.1) in the middle.
    assert float(probability_open(torch.tensor(0.33 * log(0.1 / 1.1)))) == pytest.approx(0.5)


@pytest.mark.parametrize("group", GROUPS)
def test_a_gate_on_columns_gates_what_goes_into_them(group):
    """Compared with a model whose context vectors or activations are multiplied on their way."""
    model = model_of_four_heads()
    callback = learner_of(model, group, "hard-concrete:initial=0")
    for score in callback.scores.values():
        score.data = torch.linspace(-2, 2, score.numel()).view_as(score)
    with callback.evaluation():
        gated = real_loss(model)
    hooks = []
    for family in families(group):
        gate = expected_gate(callback.scores[family].detach()).flatten()
        layer = model.get_submodule(family.rpartition(".")[0])
        if group == "unit":
            hooks.append(layer.fc2.register_forward_pre_hook(lambda module, args, gate=gate: (args[0] * gate,)))
            continue
        attention = model.get_submodule(family)
        columns = gate.repeat_interleave(4)
        # The context is linear in the values, bias included.
        attention.v_proj.weight.data.mul_(columns[:, None])
        attention.v_proj.bias.data.mul_(columns)
    assert float(real_loss(model)) == pytest.approx(float(gated), abs=1e-6)
    assert float(gated) != pytest.approx(float(real_loss(model_of_four_heads())), abs=1e-6)
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("group", GROUPS)
def test_gradients_are_those_by_finite_differences(group):
    model = model_of_four_heads().double()
    callback = learner_of(model, group, "hard-concrete:lr=1,optimizer=sgd,strength=0.7,initial=0.3")
    start = {name: score.detach().clone() for name, score in callback.scores.items()}
    dense = {name: p.detach().clone() for name, p in model.named_parameters()}
    update(model, callback, lambda: exact_loss(model), 3)
    moved = {name: start[name] - score.detach() for name, score in callback.scores.items()}
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.masking.clear()

    def objective(change_of=None, index=0, by=0.0):
        """The loss of the update with the same noise, and the penalty, as a function of one log α."""
        model.load_state_dict(dense, strict=False)
        total = 0.0
        for name, initial in start.items():
            log_alpha = initial.double().flatten().clone()
            if name == change_of:
                log_alpha[index] += by
            gate = sampled_gate(log_alpha, callback._noise(name, 3).double().flatten())
            total += 0.7 * float(probability_open(log_alpha).sum()) / len(start)
            output = f"{name}.out_proj" if group == "head" else name.replace("ffn", "fc2")
            weight = model.get_parameter(f"{output}.weight")
            weight.data.mul_(gate.repeat_interleave(weight.shape[1] // len(gate)))
        return total + float(exact_loss(model))

    for name, change in moved.items():
        for index in range(0, change.numel(), 3):
            slope = (objective(name, index, 1e-5) - objective(name, index, -1e-5)) / 2e-5
            assert float(change.flatten()[index]) == pytest.approx(slope, abs=2e-6), (name, index)
    objective()
    for parameter in model.parameters():
        parameter.grad = None
    exact_loss(model).backward()
    for name, gradient in gradients.items():
        output = next((f for f in start if name in (f"{f}.out_proj.weight", f"{f.replace('ffn', 'fc2')}.weight")), None)
        if output is None:
            assert torch.allclose(gradient, model.get_parameter(name).grad, atol=1e-7), name
        else:  # by the chain rule through gate · W
            gate = sampled_gate(start[output].double().flatten(), callback._noise(output, 3).double().flatten())
            columns = gate.repeat_interleave(gradient.shape[1] // len(gate))
            assert torch.allclose(gradient, model.get_parameter(name).grad * columns, atol=1e-7), name


@pytest.mark.parametrize("group", GROUPS)
def test_folding_leaves_the_function_alone(group):
    model = model_of_four_heads().eval()
    callback = learner_of(model, group, "hard-concrete:exact=false")
    for name, score in callback.scores.items():
        score.data = torch.linspace(-3, 3, score.numel()).view_as(score)
        assert name in families(group)
    closed = sum(int((expected_gate(score) == 0).sum()) for score in callback.scores.values())
    total = sum(score.numel() for score in callback.scores.values())
    callback.updates = 3
    with callback.evaluation():
        before = float(real_loss(model))
    assert before != pytest.approx(float(real_loss(model)), abs=1e-5)
    callback.after_step(None, 4)
    model.masking.replace(callback.masks(4))
    assert float(real_loss(model)) == pytest.approx(before, abs=1e-6)
    with callback.evaluation():
        assert float(real_loss(model)) == pytest.approx(before, abs=1e-6)
    assert 0 < closed < total
    assert callback.pruner.pruned_share(model.masking.masks) == pytest.approx(closed / total)
    assert callback.statistics()["gates_open"] == pytest.approx(1 - closed / total)


@pytest.mark.parametrize("budget", ["matrix", "global"])
def test_exact_counts_by_log_alpha(budget):
    model = model_of_four_heads()
    callback = learner_of(model, "head", budget=budget, sparsity=0.5)
    values = {
        "encoder.layers.0.self_attn": [4.0, 3.0, 2.0, 1.0],
        "decoder.layers.0.self_attn": [-1.0, -4.0, -2.0, -3.0],
        "decoder.layers.0.encoder_attn": [-5.0, 0.0, 5.0, -6.0],
    }
    for name, value in values.items():
        callback.scores[name].data = torch.tensor([value])
    alive = callback.pruner.group.alive(callback.masks(4))
    kept = {name: alive[name].int().tolist()[0] for name in values}
    if budget == "matrix":
        assert list(kept.values()) == [[1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 1, 0]]
    else:
        assert list(kept.values()) == [[1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 1, 0]]


def test_all_matrices_of_a_unit_go():
    model = OneLayer(torch.ones(2, 3), torch.ones(3, 2))
    callback = learner(model, "hard-concrete", SCHEDULE, group="unit")
    callback.scores["encoder.layers.0.ffn"].data = torch.tensor([[1.0, -1.0]])
    masks = callback.masks(4)
    assert masks[FC1].int().tolist() == [[1, 1, 1], [0, 0, 0]]
    assert masks[FC2].int().tolist() == [[1, 0]] * 3


def test_noise_depends_on_seed_update_and_gate_alone():
    first, second, other = (
        learner(OneLayer(torch.ones(9, 3), torch.ones(3, 9)), "hard-concrete", SCHEDULE, group="unit", seed=seed)
        for seed in (1, 1, 2)
    )
    name = "encoder.layers.0.ffn"
    torch.manual_seed(7)
    assert torch.equal(first._noise(name, 5), second._noise(name, 5))
    assert not torch.equal(first._noise(name, 5), second._noise(name, 6))
    assert not torch.equal(first._noise(name, 5), other._noise(name, 5))


def test_a_strong_penalty_closes_gates_and_none_opens_useful_ones():
    def trained(strength):
        torch.manual_seed(1)
        model = model_of_four_heads()
        callback = learner(
            model,
            f"hard-concrete:lr=0.1,strength={strength},exact=false",
            "oneshot:at=60",
            group="unit",
        )
        for number in range(59):
            update(model, callback, lambda: real_loss(model), number, lr=0.05)
        return callback.statistics()["gates_open"]

    assert trained(0) == 1
    assert trained(2) < 0.2


@pytest.mark.parametrize(
    ("spec", "settings", "message"),
    [
        ("hard-concrete", {}, "give --group head or --group unit"),
        ("hard-concrete", {"group": "block"}, "give --group head or --group unit"),
        ("hard-concrete:strength=-1", {"group": "unit"}, "strength=-1 must not be negative"),
        ("hard-concrete", {"group": "unit", "sparsity": 0.0}, "--sparsity above that of the start"),
    ],
)
def test_what_makes_no_sense_is_refused(spec, settings, message):
    with pytest.raises(PruneError, match=message) as error:
        learner(OneLayer(torch.ones(2, 3), torch.ones(3, 2)), spec, SCHEDULE, **settings)
    assert "\n" not in str(error.value)
