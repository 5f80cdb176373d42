"""Learned masks: divergence and gradients by hand, expectation of the soft mask, what is learned, what is reported."""

import logging
import math

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import saliencies
from nmt_prune.pruning.saliency.soft_masks import SoftMasks, divergence
from tests.pruning.saliency import measuring
from tests.pruning.saliency.measuring import (
    HEAD_DIM,
    SENTENCES,
    batch,
    cross_entropy,
    evidence,
    mean_loss,
    weights_and_masks,
)

FC1, EMBEDDING = "encoder.layers.0.fc1.weight", "encoder.embed_tokens.weight"
STEP = 1e-6


def model(**flags):
    return measuring.model(encoder_layers=1, decoder_layers=1, **flags)


def soft_masks(network, temperature=0.2, seed=1, alive=None):
    weights, dense = weights_and_masks(network)
    alive = dense if alive is None else alive
    return SoftMasks(evidence(network).probe(weights, alive), list(weights), temperature, seed)


def oes(network, spec="oes:steps=10", batches=None, **context):
    return saliencies.build(spec, evidence=evidence(network, batches), head_dim=HEAD_DIM, **context)


def pruner(network, spec="oes:steps=10", control="none", budget="global", **settings):
    return Pruner(oes(network, spec), budgets.build(budget), mask_control=control, **settings)


@pytest.mark.parametrize("prior", [0.05, 0.5, 0.9])
def test_the_divergence_and_its_gradient(prior):
    logits = torch.tensor([-3.0, -0.5, 0.0, 2.0], dtype=torch.float64, requires_grad=True)
    found = divergence(logits, prior)
    found.sum().backward()
    for logit, value, slope in zip(logits.tolist(), found.tolist(), logits.grad.tolist(), strict=True):
        kept = 1 / (1 + math.exp(-logit))
        by_hand = kept * math.log(kept / prior) + (1 - kept) * math.log((1 - kept) / (1 - prior))
        assert value == pytest.approx(by_hand, abs=1e-12)
        assert slope == pytest.approx(kept * (1 - kept) * (logit - math.log(prior / (1 - prior))), abs=1e-12)


def test_it_is_the_mean_over_weights_that_exist():
    network = model()
    weights, _ = weights_and_masks(network)
    alive = MaskSet({prunable: torch.rand(prunable.shape) < 0.7 for prunable in weights})
    masks = soft_masks(network, alive=alive)
    masks.logits[FC1].data[alive[FC1]] = 1.5
    masks.logits[FC1].data[~alive[FC1]] = 99.0  # of weights that do not exist
    masks.logits[EMBEDDING].data[1] = 99.0  # of padding
    count = sum(alive.kept(prunable) for prunable in weights)
    other, one = (float(divergence(torch.tensor(value, dtype=torch.float64), 0.1)) for value in (0.0, 1.5))
    here = int(alive[FC1].sum())
    assert float(masks.divergence(0.1)) == pytest.approx((one * here + other * (count - here)) / count)
    expected = (torch.sigmoid(torch.tensor(1.5)) * here + 0.5 * (count - here)) / count
    assert masks.mean_probability() == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize(("logit", "temperature"), [(0.0, 0.2), (1.0, 0.2), (-2.0, 0.5)])
def test_the_expectation_of_a_soft_mask(logit, temperature):
    """E σ((p + g) / τ) over logistic g, by numerical integration; at small τ about σ(p)."""
    masks = soft_masks(model(), temperature)
    for logits in masks.logits.values():
        logits.data.fill_(logit)
    drawn = torch.cat([mask.detach().flatten() for mask in masks.draw().values()])
    uniform = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    values = torch.sigmoid((logit + torch.logit(uniform)) / temperature)
    assert float(drawn.mean()) == pytest.approx(float(values.mean()), abs=4 * float(values.std()) / len(drawn) ** 0.5)
    assert float(drawn.std()) == pytest.approx(float(values.std()), abs=0.02)
    assert float(values.mean()) == pytest.approx(1 / (1 + math.exp(-logit)), abs=0.05)
    assert 0 <= float(drawn.min()) < float(drawn.max()) <= 1


@pytest.mark.parametrize("name", [FC1, "decoder.layers.0.encoder_attn.q_proj.weight", EMBEDDING])
def test_the_gradient_of_the_loss_by_a_logit(name):
    network, found = model(), batch(SENTENCES)
    masks = soft_masks(network, temperature=1.0)
    masks.backward(found)
    slope = masks.logits[name].grad
    position = divmod(int(slope.abs().argmax()), slope.shape[1])

    def loss(change):
        again = soft_masks(network, temperature=1.0)  # the same seed: the same noise
        again.logits[name].data[position] = change
        return again.backward(found)

    derivative = (loss(STEP) - loss(-STEP)) / (2 * STEP)
    assert abs(derivative) > 1e-5
    assert float(slope[position]) == pytest.approx(derivative, rel=1e-4)


def test_tied_embeddings_have_one_mask_and_padding_none():
    network = model()
    masks = soft_masks(network)
    assert [name for name in masks.logits if "embed" in name or "output" in name] == [EMBEDDING]
    masks.backward(batch(SENTENCES, extra=2))
    assert not masks.logits[EMBEDDING].grad[1].any()
    assert masks.logits[EMBEDDING].grad[5].any()


def test_a_learned_mask_beats_a_random_one_of_the_same_counts():
    network = model()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(20):
        optimizer.zero_grad()
        sum(cross_entropy(network, each).mean for each in evidence(network).batches()).backward()
        optimizer.step()
    weights, alive = weights_and_masks(network)
    spec = "oes:steps=40,lr=0.1"
    learned, findings = pruner(network, spec).find(weights, alive, 0.5)
    shuffled, others = pruner(network, spec, "shuffled").find(weights, alive, 0.5)
    assert [learned.kept(prunable) for prunable in weights] == [shuffled.kept(prunable) for prunable in weights]
    assert findings["supermask_loss"] < others["supermask_loss"] - 0.5
    assert learned.sparsity() == pytest.approx(0.5, abs=1e-3)


def test_findings_are_the_losses_of_the_masks():
    network = model()
    weights, alive = weights_and_masks(network)
    masks, findings = pruner(network).find(weights, alive, 0.8)
    with torch.no_grad():
        for prunable, weight in weights.items():
            weight.mul_(masks[prunable.name])  # a view of the network's own weight
    lengths = [sum(len(target) for _, target in SENTENCES[:2]), sum(len(target) for _, target in SENTENCES[2:])]
    losses = [float(loss.mean) for loss in evidence(network).probe(weights, masks).losses()]
    expected = sum(loss * length for loss, length in zip(losses, lengths, strict=True)) / sum(lengths)
    assert findings["supermask_loss"] == pytest.approx(expected)
    assert findings["supermask_gap"] == pytest.approx(findings["supermask_loss"] - findings["soft_mask_loss"])
    assert mean_loss(network) == pytest.approx(sum(losses) / 2)


def test_nothing_is_learned_or_found_where_nothing_is_pruned():
    network = model()
    weights, alive = weights_and_masks(network)
    assert pruner(network).find(weights, alive, 0.0) == (alive, {})


@pytest.mark.parametrize("sparsity", [0.5, 0.95])
def test_the_divergence_alone_draws_probabilities_to_the_density_asked_for(sparsity, caplog):
    network = model()
    weights, alive = weights_and_masks(network)
    with caplog.at_level(logging.INFO, "nmt_prune.pruning.saliency.oes"):
        masks = pruner(network, "oes:steps=30,lr=0.3,strength=1e6").prune(weights, alive, sparsity)
    assert masks.sparsity() == pytest.approx(sparsity, abs=1e-3)
    lines = [record.message for record in caplog.records]
    assert len(lines) == 11
    assert lines[9].startswith("oes: step 30 of 30, loss ")
    assert float(lines[9].split()[-1]) == pytest.approx(1 - sparsity, abs=0.05)
    assert "of the supermask" in lines[10]


def test_only_the_prune_set_is_masked_while_masks_are_learned():
    network = model()
    weights, alive = weights_and_masks(network)
    scores = oes(network).aimed([prunable for prunable in weights if prunable.in_body], 0.5).score(weights, alive)
    assert not scores[EMBEDDING].any()
    assert scores[FC1].abs().max() > 0.05
    masks = pruner(network, prune_set="body").prune(weights, alive, 0.5)
    assert masks[EMBEDDING].all()


def test_ties_are_broken_at_random_by_the_seed():
    """Rows of words that no batch has get the same logits all over."""
    spec = "oes:steps=3,lr=0.01,strength=0"
    untied = model(tying="none")
    untied_weights, untied_alive = weights_and_masks(untied)
    first, again, other = (
        oes(untied, spec, seed=seed).score(untied_weights, untied_alive)[EMBEDDING] for seed in (1, 1, 2)
    )
    unseen = [row for row in range(15, 24) if all(row not in source for source, _ in SENTENCES)]
    assert torch.equal(first, again)
    assert not torch.equal(first[unseen], other[unseen])
    assert len(first[unseen].unique()) == first[unseen].numel()
    assert float(first[unseen].abs().max()) <= 0.01 / 100
    assert not torch.equal(first[5], other[5])


def test_the_same_seed_gives_the_same_masks():
    network = model()
    weights, alive = weights_and_masks(network)
    random = torch.get_rng_state()
    one, again = (pruner(network, "oes:steps=5").prune(weights, alive, 0.5) for _ in range(2))
    assert one == again
    assert torch.equal(torch.get_rng_state(), random)


def test_groups_are_ranked_by_probability():
    network = model()
    weights, alive = weights_and_masks(network)
    scores = oes(network, "oes:steps=5", grouped=True).score(weights, alive)
    logits = oes(network, "oes:steps=5").score(weights, alive)
    assert torch.allclose(scores[FC1], torch.sigmoid(logits[FC1]))
    saliency = oes(network, "oes:steps=5", grouped=True)
    units = Pruner(saliency, budgets.build("matrix"), groups.build("unit"))
    masks, findings = units.find(weights, alive, 0.5)
    assert units.pruned_share(masks) == 0.5
    assert masks["encoder.layers.0.self_attn.q_proj.weight"].all()
    assert findings["soft_mask_loss"] > 0


def test_what_is_pruned_stays_pruned_and_the_rest_is_aimed_at_the_density():
    network = model()
    weights, alive = weights_and_masks(network)
    half = pruner(network, "oes:steps=3").prune(weights, alive, 0.5)
    masks = pruner(network, "oes:steps=3").prune(weights, half, 0.8)
    assert masks.sparsity() == pytest.approx(0.8, abs=1e-3)
    assert not any((masks[name] & ~half[name]).any() for name in masks)


@pytest.mark.parametrize("setting", ["steps=0", "lr=0", "temperature=-1", "strength=-1"])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(PruneError, match=f"^saliency oes: {setting} must be") as error:
        saliencies.build(f"oes:{setting}")
    assert "\n" not in str(error.value)
