import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.experiments.planning.commands import Places, score_command
from nmt_prune.experiments.planning.cost import PlanCost
from nmt_prune.experiments.planning.expansion import expand
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.experiments.planning.run_folder import check_all
from nmt_prune.experiments.planning.runs import Run
from nmt_prune.techniques import techniques
from tests.experiments.recipes import BRIX_LADDER, brix_recipe, make_recipe


def by_name(runs: list[Run]) -> dict[str, Run]:
    assert len({run.name for run in runs}) == len(runs)
    return {run.name: run for run in runs}


def expanded(recipe) -> dict[str, Run]:
    return by_name(expand(recipe))


def pruning(run: Run) -> dict[str, str]:
    return run.settings["pruning"]


@pytest.mark.usefixtures("fairseq_starts_at_once")
def test_parents_come_before_children():
    everything = brix_recipe(
        techniques=[name for name, technique in techniques.items() if not technique.is_control],
        controls=[*(name for name, technique in techniques.items() if technique.is_control), "dense-longer"],
        seeds=[1, 2],
    )
    seen = set()
    for run in expand(everything):
        assert run.parent is None or run.parent in seen
        sources = [pruning(run)[key] for key in ("mask_from", "rewind_from") if key in pruning(run)]
        assert all(source.split("/")[0] in seen for source in sources)
        seen.add(run.name)


def test_slt_of_the_paper_is_a_chain_of_twelve_rungs():
    runs = expanded(brix_recipe(techniques=["slt"]))
    assert len(runs) == 13
    parents = ["dense-seed1", *(f"slt-{percent}-seed1" for percent in BRIX_LADDER)]
    for index, percent in enumerate(BRIX_LADDER):
        run = runs[f"slt-{percent}-seed1"]
        assert run.parent == parents[index]
        assert run.sparsity == pytest.approx(percent / 100)
        assert run.updates == 500_000
    # dense, 10, 20, 30, 40 and 50: the sixth training.
    assert runs["slt-50-seed1"].total_updates == 3_000_000
    assert runs["slt-98-seed1"].total_updates == 13 * 500_000


def test_flags_of_dense_and_slt():
    runs = expanded(brix_recipe(techniques=["slt"]))
    assert pruning(runs["dense-seed1"]) == {"rewind_points": "0,25000"}
    assert pruning(runs["slt-20-seed1"]) == {
        "saliency": "magnitude",
        "budget": "matrix",
        "group": "element",
        "prune_set": "all",
        "sparsity": "0.2",
        "schedule": "constant",
        "prune_seed": "1",
        "mask_from": "slt-10-seed1/checkpoint_last.pt",
        "reset": "rewind",
        "clock": "restart",
        "rewind_from": "slt-10-seed1/rewind_25000.pt",
        "rewind_points": "25000",
    }


def test_rewind_source_dense_and_best_mask():
    run = expanded(brix_recipe(techniques=["slt"], rewind_source="dense", mask_checkpoint="best"))["slt-20-seed1"]
    assert pruning(run)["mask_from"] == "slt-10-seed1/checkpoint_best.pt"
    assert pruning(run)["rewind_from"] == "dense-seed1/rewind_25000.pt"
    assert "rewind_points" not in pruning(run)


def test_mp_has_the_schedule_of_the_paper_and_no_parent():
    runs = expanded(brix_recipe(techniques=["mp"]))
    run = runs["mp-85-seed1"]
    assert len(runs) == 13
    assert (run.parent, run.total_updates) == (None, 500_000)
    assert pruning(run)["schedule"] == "cubic:initial=0,end=400000,interval=10000"
    assert not {"mask_from", "rewind_from", "reset"} & pruning(run).keys()


def test_lt_goes_back_to_the_dense_run():
    run = expanded(brix_recipe(techniques=["lt"]))["lt-20-seed1"]
    assert run.parent == "lt-10-seed1"
    assert pruning(run)["rewind_from"] == "dense-seed1/rewind_0.pt"
    assert (pruning(run)["reset"], pruning(run)["clock"]) == ("rewind", "restart")


def test_clt_and_its_control_have_the_same_mask_source():
    runs = expanded(brix_recipe(techniques=["clt"], controls=["clt-random-sign"]))
    clt, control = runs["clt-20-seed1"], runs["clt-random-sign-20-seed1"]
    assert clt.parent == control.parent == "clt-10-seed1"
    assert pruning(clt)["reset"] == "sign"
    assert pruning(control)["reset"] == "random-sign"
    assert pruning(clt)["rewind_from"] == pruning(control)["rewind_from"] == "clt-10-seed1/rewind_25000.pt"


def test_slt_mp_of_the_paper_goes_straight_to_50_then_60_then_grows():
    runs = expanded(brix_recipe(techniques=["slt", "slt-mp"]))
    first, second = runs["slt-mp-50-seed1"], runs["slt-mp-60-seed1"]
    assert (first.parent, second.parent) == ("dense-seed1", "slt-mp-50-seed1")
    assert pruning(first)["schedule"] == pruning(second)["schedule"] == "constant"
    for percent in (70, 80, 85, 90, 95, 98):
        run = runs[f"slt-mp-{percent}-seed1"]
        assert run.parent == "slt-mp-60-seed1"
        assert pruning(run)["schedule"] == "cubic:initial=0.6,end=400000,interval=10000"
        assert pruning(run)["rewind_from"] == "slt-mp-60-seed1/rewind_25000.pt"
        assert pruning(run)["reset"] == "rewind"
        assert run.total_updates == 4 * 500_000
    assert not any(f"slt-mp-{percent}-seed1" in runs for percent in (10, 20, 30, 40))
    assert len(runs) == 1 + 12 + 8


def test_slt_mp_shares_rounds_where_the_ladders_agree():
    runs = expanded(make_recipe(ladder=[50, 80, 90], techniques=["mp", "slt", "slt-mp"]))
    assert (runs["slt-50-seed1"].technique, runs["slt-50-seed1"].also) == ("slt", ("slt-mp",))
    assert runs["slt-mp-60-seed1"].parent == "slt-50-seed1"
    assert runs["slt-mp-90-seed1"].parent == "slt-mp-60-seed1"
    runs = expanded(make_recipe(ladder=[50, 60, 80], techniques=["slt", "slt-mp"]))
    assert runs["slt-60-seed1"].also == ("slt-mp",)
    assert runs["slt-mp-80-seed1"].parent == "slt-60-seed1"


def test_a_shared_run_keeps_its_name_and_settings_when_one_technique_is_listed():
    alone = expanded(make_recipe(techniques=["slt-mp"]))["slt-50-seed1"]
    together = expanded(make_recipe(techniques=["slt", "slt-mp"]))["slt-50-seed1"]
    assert alone.settings == together.settings
    assert (alone.technique, alone.also) == ("slt-mp", ())


@pytest.mark.parametrize(
    "changes",
    [
        {"techniques": ["slt"]},
        {"techniques": ["slt-mp"]},
        {"techniques": [{"name": "mine", "like": "clt", "saliency": "random"}]},
        *({"techniques": ["ladder-gmp"], "controls": [name]} for name in ("random", "shuffle-weights", "reinit")),
    ],
)
def test_nothing_rewinds_to_a_point_of_a_training_that_was_elsewhere(tmp_path, changes):
    state = {"model": {"weight": torch.zeros(1)}, "optimizer_history": [{"num_updates": 100}]}
    torch.save(state, tmp_path / "dense.pt")
    dense = {"checkpoint": str(tmp_path / "dense.pt")}
    with pytest.raises(PruneError, match=r"rewinds to an early point of the dense training, which dense\.checkpoint"):
        expand(make_recipe(dense=dense, **changes))
    assert expand(make_recipe(dense=dense, techniques=["ladder-gmp"], controls=["dense-longer"]))


def test_a_model_that_is_there_is_scored_where_the_others_are_trained(tmp_path):
    state = {"model": {"weight": torch.zeros(1)}, "optimizer_history": [{"num_updates": 100}]}
    torch.save(state, tmp_path / "dense.pt")
    changes = {"dense": {"checkpoint": str(tmp_path / "dense.pt")}, "techniques": ["ladder-gmp"]}
    training = {"max_update": 50, "cpu": True, "max_tokens": 10}
    runs = expand(make_recipe(**changes, training=training))
    plan = Plan.of(runs, Places(tmp_path / "runs", tmp_path / "data"))
    assert "--cpu" in score_command(runs[0], plan.places)
    assert any("at most 10 target tokens per update" in line for line in PlanCost.of(plan).lines(1000))
    folder = plan.folder(runs[0])
    folder.describe(runs[0], plan.places)
    (folder.path / "checkpoint_best.pt").touch()
    check_all(expand(make_recipe(**changes, training={**training, "lr": 0.1})), plan.places)  # it has not seen it


def test_start_rounds_can_be_chosen():
    runs = expanded(make_recipe(techniques=["slt-mp"], start_rounds={"slt-mp": [50]}))
    assert pruning(runs["slt-mp-80-seed1"])["schedule"].startswith("cubic:initial=0.5,")
    assert runs["slt-mp-80-seed1"].parent == "slt-50-seed1"


def test_mp_slt_is_mp_up_to_60_and_slt_above():
    runs = expanded(brix_recipe(techniques=["mp", "mp-slt"]))
    assert all(runs[f"mp-{percent}-seed1"].also == ("mp-slt",) for percent in (10, 20, 30, 40, 50, 60))
    assert runs["mp-70-seed1"].also == ()
    run = runs["mp-slt-70-seed1"]
    assert (run.parent, run.total_updates) == ("mp-60-seed1", 1_000_000)
    assert pruning(run)["rewind_from"] == "mp-60-seed1/rewind_25000.pt"
    assert pruning(runs["mp-60-seed1"])["rewind_points"] == "25000"
    assert runs["mp-slt-80-seed1"].parent == "mp-slt-70-seed1"
    assert runs["mp-slt-98-seed1"].total_updates == 7 * 500_000


def test_a_start_round_off_the_ladder_belongs_to_the_technique_that_needs_it():
    recipe = make_recipe(ladder=[50, 80], techniques=["mp", "mp-slt"])
    runs = expanded(recipe)
    assert (runs["mp-60-seed1"].technique, runs["mp-60-seed1"].also) == ("mp-slt", ())
    assert (runs["mp-50-seed1"].technique, runs["mp-50-seed1"].also) == ("mp", ("mp-slt",))
    assert "mp-60-seed1" not in by_name(expand(recipe, ["mp"]))


def test_fine_tuning_keeps_the_clock_and_counts_on():
    runs = expanded(make_recipe(techniques=["finetune"]))
    first, second = runs["finetune-50-seed1"], runs["finetune-80-seed1"]
    assert (first.first_update, first.last_update, first.total_updates) == (100, 200, 200)
    assert (second.first_update, second.last_update, second.total_updates) == (200, 300, 300)
    assert second.settings["training"]["max_update"] == 300
    assert (pruning(second)["reset"], pruning(second)["clock"]) == ("keep", "keep")
    assert "rewind_from" not in pruning(second)


def test_learning_rate_rewinding_repeats_the_last_95_percent():
    runs = expanded(make_recipe(techniques=["lr-rewind"]))
    second = runs["lr-rewind-80-seed1"]
    assert (second.first_update, second.updates, second.last_update) == (5, 95, 100)
    assert second.total_updates == 100 + 95 + 95
    assert pruning(second)["mask_from"] == "lr-rewind-50-seed1/checkpoint_last.pt"
    assert pruning(second)["rewind_from"] == "dense-seed1/rewind_5.pt"
    assert (pruning(second)["reset"], pruning(second)["clock"]) == ("keep", "rewind")


@pytest.mark.parametrize(
    ("control", "key", "value"),
    [
        ("random", "saliency", "random"),
        ("shuffled", "mask_control", "shuffled"),
        ("inverted", "mask_control", "inverted"),
    ],
)
def test_mask_controls_are_ladders_of_their_own(control, key, value):
    runs = expanded(make_recipe(techniques=[], controls=[control]))
    run = runs[f"{control}-80-seed1"]
    assert run.parent == f"{control}-50-seed1"
    assert pruning(run)[key] == value
    assert (pruning(run)["reset"], pruning(run)["rewind_from"]) == ("rewind", f"{control}-50-seed1/rewind_5.pt")


@pytest.mark.parametrize("control", ["shuffled", "inverted"])
def test_mask_controls_have_the_counts_of_slts_own_rung(control):
    runs = expanded(make_recipe(techniques=[], controls=[control], budget="global"))
    first, second = (runs[f"{control}-{percent}-seed1"] for percent in (50, 80))
    assert ("counts_from" in pruning(first), first.needs) == (False, ())  # from the dense run, as SLT's
    assert pruning(second)["counts_from"] == "slt-80-seed1/checkpoint_last.pt"
    assert second.needs == ("slt-80-seed1",)
    assert list(runs).index("slt-80-seed1") < list(runs).index(second.name)
    fixed = expanded(make_recipe(techniques=[], controls=[control], budget="erk"))
    assert not any("counts_from" in pruning(run) for run in fixed.values())


@pytest.mark.parametrize(("control", "reset"), [("reinit", "reinit"), ("shuffle-weights", "shuffle")])
def test_weight_controls_have_the_masks_of_slt(control, reset):
    runs = expanded(make_recipe(techniques=["slt"], controls=[control]))
    run, slt = runs[f"{control}-80-seed1"], runs["slt-80-seed1"]
    assert run.parent == slt.parent == "slt-50-seed1"
    assert pruning(run)["mask_from"] == pruning(slt)["mask_from"]
    assert pruning(run)["reset"] == reset
    assert run.total_updates == slt.total_updates


def test_dense_longer_reaches_the_largest_total():
    runs = expanded(make_recipe(controls=["dense-longer"]))
    assert max(run.total_updates for run in runs.values()) == 400
    longer = [run for run in runs.values() if run.technique == "dense-longer"]
    assert [run.name for run in longer] == [f"dense-longer-x{k}-seed1" for k in (2, 3, 4)]
    assert [run.total_updates for run in longer] == [200, 300, 400]
    assert [run.parent for run in longer] == ["dense-seed1", "dense-longer-x2-seed1", "dense-longer-x3-seed1"]
    assert pruning(longer[1]) == {
        "mask_from": "dense-longer-x2-seed1/checkpoint_last.pt",
        "sparsity": "0",
        "reset": "keep",
        "clock": "restart",
    }


def test_seeds_have_separate_chains():
    runs = expanded(make_recipe(techniques=["slt"], seeds=[1, 7]))
    assert runs["slt-80-seed7"].parent == "slt-50-seed7"
    assert pruning(runs["slt-80-seed7"])["prune_seed"] == "7"
    assert len(runs) == 8


def test_absolute_moments():
    recipe = make_recipe(rewind=7, prune_end=60, prune_interval=3, techniques=["mp", "slt"])
    runs = expanded(recipe)
    assert pruning(runs["dense-seed1"])["rewind_points"] == "0,7"
    assert pruning(runs["mp-50-seed1"])["schedule"] == "cubic:initial=0,end=60,interval=3"


def test_more_techniques_change_no_settings():
    few = expanded(make_recipe(techniques=["slt"]))
    many = expanded(make_recipe(techniques=["mp", "slt", "slt-mp", "lt"], controls=["dense-longer", "reinit"]))
    assert all(many[name].settings == run.settings for name, run in few.items())


def test_only_keeps_ancestors_and_the_baseline():
    recipe = make_recipe(controls=["dense-longer"])
    assert [run.name for run in expand(recipe, ["mp"])] == ["dense-seed1", *(f"mp-{p}-seed1" for p in (50, 80, 90))]
    kept = {run.name for run in expand(recipe, ["slt-mp"])}
    assert kept == {"dense-seed1", "slt-50-seed1", *(f"slt-mp-{p}-seed1" for p in (60, 80, 90))}
    assert "dense-longer-x4-seed1" in {run.name for run in expand(recipe, ["dense-longer"])}
    with pytest.raises(PruneError, match=r"--only slt-pm: .*did you mean slt-mp\?"):
        expand(recipe, ["slt-pm"])
