"""What a training goes on from: the sparsity asked for is reached, or one line says why it cannot be."""

import json
import shutil
from pathlib import Path

import pytest

from tests.tasks.training import Training, assert_same

pytestmark = pytest.mark.slow

TICKET = "--sparsity 0.8 --reset rewind"


@pytest.fixture
def files(dense) -> tuple[object, ...]:
    return ("--mask-from", dense.folder / "checkpoint_last.pt", "--rewind-from", dense.folder / "rewind_4.pt")


def sparsity(training: Training) -> float:
    return training.progress()[-1]["sparsity"]


RESTORED = {
    "--restore-file {dense} --sparsity 0.8": "sparsity 0, where --schedule constant changes the mask no more",
    "--restore-file {dense} --sparsity 0.8 --reset-optimizer --reset-lr-scheduler": "at update 0 with sparsity 0",
    "--restore-file {dense} --sparsity 0.8 --schedule oneshot:at=10 --max-update 20": "at update 12 with sparsity 0",
    "--continue-once {dense} --sparsity 0.8": "--continue-once .* would never be reached",
    "--continue-once {dense} --mask-from {dense} --sparsity 0.8": "both say where to start",
    "--restore-file {sparse} --sparsity 0.5": r"has sparsity 0\.8\d*, and what is pruned stays pruned",
    "--finetune-from-model {sparse} --sparsity 0.5": "what is pruned stays pruned",
    "--finetune-from-model {dense}.missing": "does not exist",
    "--restore-file {dense}.missing": "does not exist",
}


@pytest.mark.parametrize("flags", RESTORED)
def test_what_would_not_reach_the_sparsity(run_training, dense, files, tmp_path, flags):
    sparse = run_training("sparse", *files, TICKET).folder if "{sparse}" in flags else dense.folder
    names = {"dense": dense.folder / "checkpoint_last.pt", "sparse": sparse / "checkpoint_last.pt"}
    words = [word.format_map(names) for word in flags.split()]
    with pytest.raises(SystemExit, match=RESTORED[flags]) as stopped:
        run_training("run", *words)
    assert "\n" not in str(stopped.value)
    assert not list((tmp_path / "run").glob("*"))


@pytest.mark.parametrize("flag", ["--restore-file", "--continue-once", "--finetune-from-model"])
def test_a_schedule_that_still_comes_prunes_what_was_restored(run_training, dense, flag):
    flags = "--sparsity 0.8 --schedule cubic:interval=1,begin=12,end=15 --max-update 16"
    training = run_training("run", flag, dense.folder / "checkpoint_last.pt", flags)
    assert sparsity(training) == pytest.approx(0.8, abs=1e-3)


def test_a_training_that_began_with_a_restored_file_goes_on(run_training, dense):
    """And does not begin again from that file, over what there is."""
    flags = ("--restore-file", dense.folder / "checkpoint_last.pt", "--save-interval-updates 1")
    flags = (*flags, "--sparsity 0.8 --schedule cubic:interval=1,begin=12,end=15 --max-update 16")
    whole = run_training("run", *flags)
    (whole.folder / "checkpoint_1_14.pt").replace(whole.folder / "checkpoint_last.pt")
    rest = run_training("run", *flags)
    assert [line["num_updates"] for line in rest.progress()] == [15, 16]
    assert_same(rest.state()["model"], whole.state("checkpoint_1_16")["model"])
    again = run_training("run", "--restore-file", whole.folder / "checkpoint_1_13.pt", *flags[2:])
    assert again.progress()[0]["num_updates"] == 14, "an earlier one of its own may be gone back to"
    with pytest.raises(SystemExit, match=r"holds a training that did not begin with --restore-file .*rewind_4\.pt"):
        run_training("run", "--restore-file", dense.folder / "rewind_4.pt", *flags[2:])


def test_quantization_noise_is_read_again(run_training):
    flags = "--quant-noise-pq 0.1 --quant-noise-pq-block-size 4 --sparsity 0.5 --schedule cubic:interval=1,end=3"
    run_training("run", flags, "--max-update 4")
    assert run_training("run", flags, "--max-update 6").progress()[-1]["num_updates"] == 6


def test_a_growing_mask_begins_at_the_restored_one(run_training, files):
    ticket = run_training("ticket", *files, "--sparsity 0.5 --reset rewind")
    flags = "--sparsity 0.8 --schedule cubic:interval=2,end=10"
    tuned = run_training("tuned", "--finetune-from-model", ticket.folder / "checkpoint_last.pt", flags)
    assert tuned.progress()[0]["sparsity"] == pytest.approx(0.5, abs=1e-3)
    assert sparsity(tuned) == pytest.approx(0.8, abs=1e-3)


CHANGED = {
    "--sparsity 0.9": "began with --sparsity 0.8, not --sparsity 0.9",
    "--reset keep --clock rewind": "began with --reset rewind, not --reset keep",
    "--clock rewind": "began with --clock restart, not --clock rewind",
    "--saliency random": "began with --saliency magnitude",
    "--budget erk": "--budget matrix",
    "--prune-set body": "--prune-set all",
    "--mask-control shuffled": "--mask-control none",
    "--prune-seed 2": "--prune-seed 1",
    "--group head": "--group element",
    "--schedule cubic": "--schedule constant",
    "--quantizer ternary": "began with no --quantizer, not --quantizer ternary",
    "--rewind-from {other}": r"--rewind-from rewind_4.pt \(SHA-256 \w+\), not --rewind-from rewind_0.pt",
}


@pytest.mark.parametrize("flags", CHANGED)
def test_other_flags_for_a_training_that_has_begun(run_training, dense, files, flags):
    begun = run_training("run", *files, TICKET, "--max-update 2")
    before = {path.name: path.read_bytes() for path in begun.folder.iterdir()}
    words = [word.format_map({"other": dense.folder / "rewind_0.pt"}) for word in flags.split()]
    with pytest.raises(SystemExit, match=CHANGED[flags]):
        run_training("run", *files, TICKET, *words)
    assert {path.name: path.read_bytes() for path in begun.folder.iterdir()} == before


def test_a_parent_that_has_changed_since(run_training, dense, tmp_path):
    parent = Path(shutil.copy(dense.folder / "checkpoint_last.pt", tmp_path / "parent.pt"))
    flags = ("--mask-from", parent, "--sparsity 0.8")
    run_training("run", *flags, "--max-update 2")
    shutil.copy(dense.folder / "rewind_4.pt", parent)
    with pytest.raises(SystemExit, match=r"began with --mask-from parent\.pt"):
        run_training("run", *flags)


def test_pruning_json_says_what_decides_the_start_and_may_be_lost(run_training, files):
    flags = (*files, "--sparsity 0.8 --reset rewind --schedule cubic:interval=2")
    whole = run_training("whole", *flags)
    run = run_training("run", *flags, "--save-interval-updates 5")
    facts = json.loads((run.folder / "pruning.json").read_text())
    assert (facts["flags"]["reset"], facts["flags"]["clock"]) == ("rewind", "restart")
    assert len(facts["flags"]["rewind_from"]["sha256"]) == 64
    (run.folder / "checkpoint_1_5.pt").replace(run.folder / "checkpoint_last.pt")
    (run.folder / "pruning.json").unlink()
    assert_same(run_training("run", *flags).state()["model"], whole.state()["model"])


@pytest.mark.parametrize("source", ["fresh", "ticket"])
def test_more_updates_than_at_first_keep_the_mask(run_training, files, source):
    flags = ("--sparsity 0.8 --schedule cubic:interval=2", *(files if source == "ticket" else ()))
    reset = "--reset rewind" if source == "ticket" else ""
    first = run_training("run", *flags, reset)
    more = run_training("run", *flags, reset, "--max-update 24")
    assert sparsity(first) == sparsity(more) == pytest.approx(0.8, abs=1e-3)
    assert more.progress()[-1]["num_updates"] == 24
    assert_same(more.masks(), first.masks())


def test_more_updates_for_what_has_been_learned(run_training, dense):
    flags = ("--mask-from", dense.folder / "checkpoint_last.pt", "--sparsity 0.8 --saliency movement --schedule cubic")
    first = run_training("run", *flags)
    more = run_training("run", *flags, "--max-update 24")
    assert_same(more.masks(), first.masks())


def test_more_updates_between_phases(run_training, tmp_path):
    """Of AC/DC, which is as sparse as in the end by turns."""
    flags = "--sparsity 0.8 --schedule acdc"
    run_training("run", flags, "--max-update 40 --save-interval-updates 5")
    (tmp_path / "run" / "checkpoint_1_5.pt").replace(tmp_path / "run" / "checkpoint_last.pt")  # of a sparse phase
    more = run_training("run", flags, "--max-update 80")
    shares = [line["sparsity"] for line in more.progress()]
    assert shares[0] == shares[-1] == pytest.approx(0.8, abs=1e-3)
    assert 0 in shares
    longest = run_training("run", flags, "--max-update 120")
    assert_same(longest.masks(), more.masks())  # once it is final, it stays


def test_more_updates_while_the_mask_grows(run_training, tmp_path):
    """The longer schedule is behind the mask, which waits for it."""
    flags = "--sparsity 0.8 --schedule cubic:interval=1"
    run_training("run", flags, "--save-interval-updates 6")
    (tmp_path / "run" / "checkpoint_1_6.pt").replace(tmp_path / "run" / "checkpoint_last.pt")
    more = run_training("run", flags, "--max-update 30")
    shares = [line["sparsity"] for line in more.progress()]
    assert shares[0] == shares[1] > 0.7
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(0.8, abs=1e-3)


def test_fewer_updates_before_the_mask_is_final(run_training, tmp_path):
    flags = "--sparsity 0.8 --schedule cubic:interval=1"
    run_training("run", flags, "--max-update 40 --save-interval-updates 10")
    (tmp_path / "run" / "checkpoint_1_10.pt").replace(tmp_path / "run" / "checkpoint_last.pt")
    with pytest.raises(SystemExit, match=r"at update 10 with sparsity .* --sparsity 0\.8 would never be reached"):
        run_training("run", flags)


def test_the_file_whose_counts_a_control_has_may_be_gone_by_then(run_training, dense, tmp_path):
    counts = tmp_path / "counts.pt"
    shutil.copy(
        run_training("real", "--mask-from", dense.folder / "checkpoint_last.pt", "--sparsity 0.5").folder
        / "checkpoint_last.pt",
        counts,
    )
    flags = (
        "--mask-from",
        dense.folder / "checkpoint_last.pt",
        "--sparsity 0.5 --mask-control shuffled --counts-from",
        counts,
    )
    masks = run_training("control", *flags, "--max-update 4").masks()
    counts.unlink()
    again = run_training("control", *flags, "--max-update 6")
    assert again.state()["optimizer_history"][-1]["num_updates"] == 6
    assert_same(again.masks(), masks)
