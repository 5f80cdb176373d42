"""Tickets: which weights, which masks, which clock, which optimizer state."""

from pathlib import Path
from typing import Any

import pytest
import torch

from nmt_prune.checkpoints import MASK_MODULE, Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.resets import resets
from nmt_prune.pruning.tickets import make_ticket
from tests.toy import toy_state

FC1, EMBEDDING = "encoder.layers.0.fc1.weight", "encoder.embed_tokens.weight"
EPOCH_1 = {"version": 2, "epoch": 1, "iterations_in_epoch": 0, "shuffle": True}


def checkpoint(name: str, seed: int, updates: int, **changes: Any) -> Checkpoint:
    state = toy_state(seed, updates)
    state["last_optimizer_state"] = {"state": {0: {"of": name}}}
    state["extra_state"]["train_iterator"]["epoch"] = seed + 10
    return Checkpoint(Path(name), {**state, **changes})


TRAINED, START = checkpoint("checkpoint_last.pt", 0, 500), checkpoint("rewind_25.pt", 1, 25)


@pytest.fixture
def masks() -> MaskSet:
    return MaskSet({p: weight > 0 if p.name == FC1 else weight < 9 for p, weight in TRAINED.matrices.items()})


def ticket(masks, reset="rewind", clock="restart", trained=TRAINED, start=START) -> dict[str, Any]:
    return make_ticket(trained, masks, resets.build(reset), start, clock)


def test_a_ticket_is_a_checkpoint_of_masked_rewound_weights(masks, tmp_path):
    state = ticket(masks)
    torch.save(state, tmp_path / "ticket.pt")
    loaded = Checkpoint.load(tmp_path / "ticket.pt")
    assert loaded.masks == masks
    mask = masks[FC1]
    assert torch.equal(loaded.model[FC1][mask], START.model[FC1][mask])
    assert not loaded.model[FC1][~mask].any()
    assert torch.equal(loaded.model["decoder.layers.0.fc2.bias"], START.model["decoder.layers.0.fc2.bias"])
    assert set(loaded.model) == set(TRAINED.model)
    assert (state["cfg"], state["args"]) == (TRAINED.state["cfg"], None)


def test_only_pruned_matrices_have_a_mask(masks):
    stored = {key: mask for key, mask in ticket(masks)["model"].items() if key.startswith(MASK_MODULE)}
    assert list(stored) == [f"{MASK_MODULE}.{FC1}"]
    assert stored[f"{MASK_MODULE}.{FC1}"].dtype == torch.uint8


@pytest.mark.parametrize(("clock", "is_denser"), [("restart", False), ("rewind", True), ("keep", True)])
def test_scores_of_the_denser_model_that_goes_on_are_no_ones_to_reach(masks, clock, is_denser):
    assert ticket(masks, clock=clock)["task_state"]["best_is_denser"] == is_denser
    assert not ticket(TRAINED.masks, clock=clock)["task_state"]["best_is_denser"]


# What goes on: update number, epoch and whose optimizer state.
CLOCKS = {
    ("rewind", "restart"): (0, 1, None),
    ("keep", "restart"): (0, 1, None),
    ("rewind", "rewind"): (25, 11, "rewind_25.pt"),  # Frankle
    ("sign", "rewind"): (25, 11, "rewind_25.pt"),
    ("keep", "rewind"): (25, 11, "checkpoint_last.pt"),  # learning-rate rewinding: final weights and their moments
    ("keep", "keep"): (500, 10, "checkpoint_last.pt"),  # fine-tuning
    ("rewind", "keep"): (500, 10, "checkpoint_last.pt"),
}


@pytest.mark.parametrize(("reset", "clock"), CLOCKS, ids=" ".join)
def test_the_clock(masks, reset, clock):
    updates, epoch, owner = CLOCKS[reset, clock]
    state = ticket(masks, reset, clock)
    assert state["optimizer_history"][-1]["num_updates"] == updates
    assert state["extra_state"]["train_iterator"]["epoch"] == epoch
    optimizer = state["last_optimizer_state"]
    assert optimizer == (owner and {"state": {0: {"of": owner}}})
    assert state["optimizer_history"][-1]["optimizer_name"] == "FairseqAdam"


def test_a_restart_begins_with_the_first_batch(masks):
    assert ticket(masks)["extra_state"] == {"train_iterator": EPOCH_1}


def test_a_rewind_point_without_an_iterator_begins_with_the_first_batch(masks):
    start = checkpoint("rewind_25.pt", 1, 25, extra_state={})
    assert ticket(masks, clock="rewind", start=start)["extra_state"] == {"train_iterator": EPOCH_1}


def test_the_parents_are_left_alone(masks):
    for clock in ("restart", "rewind", "keep"):
        ticket(masks, "sign", clock)
    assert (TRAINED.num_updates, START.num_updates) == (500, 25)
    assert torch.equal(TRAINED.model[FC1], toy_state(0)["model"][FC1])
    assert torch.equal(START.model[FC1], toy_state(1)["model"][FC1])


@pytest.mark.parametrize(("reset", "clock"), [("rewind", "restart"), ("sign", "keep"), ("keep", "rewind")])
def test_a_missing_rewind_point_is_asked_for(masks, reset, clock):
    with pytest.raises(PruneError, match="needs a rewind point: give --rewind-from"):
        ticket(masks, reset, clock, start=None)


def test_kept_weights_need_no_rewind_point(masks):
    state = ticket(masks, "keep", "keep", start=None)
    assert torch.equal(state["model"][FC1][masks[FC1]], TRAINED.model[FC1][masks[FC1]])


def test_an_unknown_clock_is_refused(masks):
    with pytest.raises(PruneError, match="unknown clock 'resume'; known: restart, rewind, keep"):
        ticket(masks, clock="resume")


@pytest.mark.parametrize(
    ("reset", "clock", "at_fault"),
    [
        ("rewind", "rewind", "rewind_25.pt"),
        ("keep", "rewind", "checkpoint_last.pt"),
        ("keep", "keep", "checkpoint_last.pt"),
    ],
)
def test_a_missing_optimizer_state_is_blamed_on_its_file(masks, reset, clock, at_fault):
    trained = checkpoint("checkpoint_last.pt", 0, 500, last_optimizer_state=None)
    start = checkpoint("rewind_25.pt", 1, 25, last_optimizer_state=None)
    with pytest.raises(PruneError, match=f"^{at_fault} has no optimizer state, which the clock '{clock}'"):
        ticket(masks, reset, clock, trained, start)
    assert ticket(masks, reset, "restart", trained, start)["last_optimizer_state"] is None


def altered(**model: Any) -> Checkpoint:
    state = {**START.state["model"], **model}
    return Checkpoint(
        Path("rewind_0.pt"), {**START.state, "model": {name: t for name, t in state.items() if t is not None}}
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({FC1: torch.ones(16, 8)}, r"another architecture .*fc1\.weight is \(16, 8\) there and \(12, 8\) here"),
        ({FC1: None}, r"fc1\.weight is missing there and \(12, 8\) here"),
        ({"encoder.layers.1.fc1.weight": torch.ones(12, 8)}, r"is \(12, 8\) there and missing here"),
        ({"decoder.output_projection.weight": torch.ones(11, 8)}, r"output_projection\.weight .*tying of embeddings"),
    ],
    ids=["wider", "fewer", "deeper", "untied"],
)
def test_a_rewind_point_of_another_architecture_is_refused(masks, changes, message):
    with pytest.raises(PruneError, match=rf"rewind_0\.pt.*{message}"):
        ticket(masks, start=altered(**changes))


def test_masks_of_another_model_are_refused(masks):
    some = MaskSet({prunable: masks[prunable.name] for prunable in masks.prunables if prunable.name != EMBEDDING})
    with pytest.raises(PruneError, match=r"mask for checkpoint_last\.pt: encoder\.embed_tokens\.weight is missing"):
        ticket(some)
