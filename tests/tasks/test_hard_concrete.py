"""Gates in real trainings: folded when the schedule ends, resumed and on two workers as in one piece."""

import pytest
import torch
from fairseq.trainer import Trainer

from tests.devices import everywhere
from tests.tasks.test_data_parallel import train_on_two
from tests.tasks.test_movement import killed_at
from tests.tasks.training import FC1, MASK, Training, assert_same

pytestmark = pytest.mark.slow

UNITS = "--saliency hard-concrete --group unit --schedule oneshot:at=8 --sparsity 0.5"
HEADS = (
    UNITS.replace("unit", "head").replace("0.5", "0.25") + " --encoder-attention-heads 4 --decoder-attention-heads 4"
)
OUT = "encoder.layers.0.self_attn.out_proj.weight"


def kept_units(training: Training) -> list[int]:
    masks = training.masks()
    return [int(masks[f"{stack}.layers.0.fc1.weight"].any(dim=1).sum()) for stack in ("encoder", "decoder")]


@everywhere
@pytest.mark.parametrize("flags", ["", "--fp16 --fp16-no-flatten-grads --fp16-init-scale 4", "--update-freq 2"])
def test_units(run_training, flags):
    training = run_training("units", UNITS, flags)
    assert kept_units(training) == [10, 10]
    lines = training.progress()
    assert [line["sparsity"] > 0 for line in lines] == [False] * 7 + [True] * 5
    assert {line["revived"] for line in lines} == {0}
    assert [line["gates_open"] for line in lines] == [1] * 7 + [0.5] * 5
    assert not any(training.weights()[name][~mask].any() for name, mask in training.masks().items())


@everywhere
def test_heads(run_training):
    training = run_training("heads", HEADS)
    for name, mask in training.masks().items():
        heads = mask.view(4, -1) if "out_proj" not in name else mask.T.reshape(4, -1)
        assert int(heads.any(dim=1).sum()) == 3
        assert torch.equal(heads.any(dim=1), heads.all(dim=1))
    assert len(training.masks()) == 12


@everywhere
def test_gates_of_zero_go_with_exact_false(run_training):
    flags = UNITS.replace("hard-concrete", "hard-concrete:exact=false,lr=0.8,strength=30")
    training = run_training("published", flags, "--schedule oneshot:at=11")
    kept = kept_units(training)
    assert sum(kept) < 20  # more than half of 40 have gone
    last = training.progress()[-1]
    assert last["gates_open"] == pytest.approx(sum(kept) / 40)
    more = run_training("published", flags, "--schedule oneshot:at=11 --max-update 16")
    assert_same(more.masks(), training.masks())


@everywhere
def test_more_updates_after_learning_to_the_end(run_training):
    """With a schedule that ends later, too."""
    flags = UNITS.replace("hard-concrete", "hard-concrete:exact=false,lr=0.8,strength=30")
    first = run_training("run", flags, "--schedule cubic:interval=2")
    more = run_training("run", flags, "--schedule cubic:interval=2 --max-update 24")
    assert_same(more.masks(), first.masks())
    again = run_training("run", flags, "--schedule cubic:interval=2 --max-update 26")
    assert_same(again.masks(), first.masks())


def test_the_penalty_closes_gates(run_training):
    def scores(name, strength):
        flags = UNITS.replace("hard-concrete", f"hard-concrete:lr=0.1,optimizer=sgd,strength={strength}")
        saved = run_training(name, flags, "--max-update 7 --schedule oneshot:at=7 --save-interval-updates 6")
        return saved.state("checkpoint_1_6")["task_state"]["hard-concrete"]["scores"]["encoder.layers.0.ffn"]

    assert scores("strong", 20).mean() < scores("weak", 0).mean() - 0.25


def test_the_function_stays_when_gates_are_folded(run_training):
    """Validation just before and just after: with all gates at work the loss is that of the folded weights."""
    flags = UNITS.replace("hard-concrete", "hard-concrete:exact=false,lr=0.01")
    before = run_training("before", flags, "--max-update 8 --save-interval-updates 7 --lr 1e-30")
    state = before.state("checkpoint_1_7")
    gate = torch.sigmoid(state["task_state"]["hard-concrete"]["scores"]["encoder.layers.0.ffn"].flatten()) * 1.2 - 0.1
    assert not any(key.startswith(MASK) for key in state["model"])
    fc2 = "encoder.layers.0.fc2.weight"
    folded = before.weights()[fc2] / before.weights("checkpoint_1_7")[fc2]
    # One update of log α lies between the two: at most the learning rate each.
    assert torch.allclose(folded.mean(dim=0), gate.clamp(0, 1), atol=0.01)
    assert torch.equal(before.weights()[FC1], before.weights("checkpoint_1_7")[FC1])


@pytest.mark.parametrize("at", [5, 8, 10])
def test_a_killed_training_goes_on(run_training, monkeypatch, at):
    whole = run_training("whole", UNITS)
    killed_at(monkeypatch, lambda: run_training("parts", UNITS, "--save-interval-updates 1"), at)
    parts = run_training("parts", UNITS, "--save-interval-updates 1")
    assert_same(whole.state()["model"], parts.state()["model"])


def test_two_workers_draw_the_same_gates(corpus, tmp_path):
    first, second = train_on_two(corpus, tmp_path, UNITS, "--max-update 9")
    assert_same(first["model"], second["model"])
    assert sum(key.startswith(MASK) for key in first["model"]) == 4


def test_an_update_that_overflows_is_repeated(run_training, monkeypatch):
    """Half precision skips the step; the weights are not gated twice."""
    skipped = []
    train_step = Trainer.train_step

    def step(trainer, *arguments):
        before = trainer.get_num_updates()
        output = train_step(trainer, *arguments)
        skipped.append(trainer.get_num_updates() == before)
        return output

    monkeypatch.setattr(Trainer, "train_step", step)
    monkeypatch.setattr(torch.Tensor, "cuda", lambda tensor: tensor)  # fairseq's handling of an overflow asks for it
    training = run_training("overflow", UNITS, "--fp16 --fp16-no-flatten-grads --fp16-init-scale 1048576")
    assert any(skipped)
    assert kept_units(training) == [10, 10]
    assert not any(weight.isnan().any() for weight in training.weights().values())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--group element", "give --group head or --group unit"),
        ("--store-ema", "--saliency hard-concrete has masks that come and go"),
        ("--saliency hard-concrete:strength=-1", "strength=-1 must not be negative"),
    ],
)
def test_what_cannot_go_together_is_refused(run_training, tmp_path, flags, message):
    with pytest.raises(SystemExit, match=f"^nmt-prune: error: .*({message})") as error:
        run_training("refused", UNITS, flags)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "refused").glob("*"))
