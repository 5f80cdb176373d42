"""AC/DC and GraNet in real trainings: the sparsity of every update, and resumed as in one piece."""

import pytest

from nmt_prune.pruning.budgets import kept_count
from tests.tasks.test_movement import killed_at, sparsity
from tests.tasks.test_regrowth import counts, moved
from tests.tasks.training import assert_same, train

pytestmark = pytest.mark.slow

ACDC = "--schedule acdc:begin=2,phase=2,end=8 --sparsity 0.8 --lr 0.1"
GRANET = "--schedule granet:interval=3,end=9,share=0.5 --sparsity 0.8"
EACH = "--save-interval-updates 1"


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return {flags: train(corpus, folder / flags.split(":")[0][11:], flags, EACH) for flags in (ACDC, GRANET)}


def checkpoint(update):
    return "checkpoint_last" if update == 12 else f"checkpoint_1_{update}"


def test_phases_are_sparse_and_dense_by_turns(trained):
    training = trained[ACDC]
    masks = {update: training.masks(checkpoint(update)) for update in range(1, 13)}
    assert [update for update in masks if masks[update]] == [2, 3, 8, 9, 10, 11, 12]
    assert {round(sparsity(found), 2) for found in masks.values() if found} == {0.8}
    assert_same(masks[2], masks[3])
    assert all(moved(masks[8], masks[update]) == 0 for update in range(9, 13)), "the last mask is fixed"
    assert moved(masks[8], masks[3]) > 0, "what was masked may be among the best of all"
    before, after = training.weights(checkpoint(4)), training.weights(checkpoint(5))
    for name, mask in masks[3].items():
        assert not before[name][~mask].any()
    came = sum(int(after[name][~mask].count_nonzero()) for name, mask in masks[3].items())
    assert came > 0.9 * sum(int((~mask).sum()) for mask in masks[3].values())
    assert {line["revived"] for line in training.progress()} == {0}


def test_the_survivors_of_a_cubic_schedule_move(trained):
    training = trained[GRANET]
    masks = {update: training.masks(checkpoint(update)) for update in range(3, 13)}
    for update in masks:
        last = min(update // 3 * 3, 9)
        total = sum(mask.numel() for mask in masks[update].values()) - 16  # the padding row
        share = 0.8 * (1 - (1 - last / 9) ** 3)
        assert sum(counts(masks[update]).values()) - 16 == kept_count(total, share)
        came = moved(masks[update], masks.get(update - 1, masks[update]))
        assert (came > 0) == (update in (4, 7)), "in the update after a change that is not the last"
    assert {line["revived"] for line in training.progress()} == {0}


@pytest.mark.parametrize(("flags", "at"), [(ACDC, 3), (ACDC, 5), (GRANET, 3)])
def test_a_killed_training_goes_on(run_training, trained, monkeypatch, flags, at):
    killed_at(monkeypatch, lambda: run_training("parts", flags, EACH), at)
    parts = run_training("parts", flags)
    assert [line["num_updates"] for line in parts.progress()] == [*range(at + 1, 13)]
    assert_same(trained[flags].state()["model"], parts.state()["model"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (f"{ACDC} --mask-from {{}}", "training starts 0.8 sparse: start from a dense checkpoint"),
        (f"{ACDC} --store-ema", "--schedule acdc has masks that come and go"),
        (f"{GRANET} --store-ema", "--schedule granet has masks that come and go"),
        (f"{GRANET} --group unit", "--schedule granet moves single weights: leave out --group"),
        (f"{ACDC} --saliency movement", "--saliency movement and --schedule acdc each bring weights back"),
        (
            f"{GRANET} --saliency magnitude-ste",
            "--saliency magnitude-ste and --schedule granet each bring weights back",
        ),
        ("--schedule acdc", "--schedule acdc does nothing here: no --sparsity"),
    ],
)
def test_what_cannot_go_together_is_refused(run_training, trained, tmp_path, flags, message):
    sparse = trained[GRANET].folder / "checkpoint_last.pt"
    with pytest.raises(SystemExit, match=f"^nmt-prune: error: .*{message}") as error:
        run_training("refused", flags.format(sparse))
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "refused").glob("*.pt"))
