import pytest

from nmt_prune.errors import PruneError
from nmt_prune.experiments.planning.expansion import expand
from nmt_prune.experiments.recipe.names import shipped_recipes
from nmt_prune.experiments.recipe.recipe_file import load_recipe
from nmt_prune.techniques import techniques

GOOD = """
corpus: {name: numbers}
model: {arch: masked_transformer_tiny, encoder-layers: 2}
training: {max-update: 100, lr: 5e-4, adam-betas: "(0.9, 0.98)"}
ladder: [50, 80]
techniques: [slt]
"""


def load(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(str(path))


def message(tmp_path, text) -> str:
    with pytest.raises(PruneError) as caught:
        load(tmp_path, text)
    text = str(caught.value)
    assert "\n" not in text
    assert "mine.yaml" in text
    return text


def test_defaults_are_those_of_the_paper(tmp_path):
    recipe = load(tmp_path, GOOD)
    assert recipe.name == "mine"
    assert recipe.model.flags() == {"arch": "masked_transformer_tiny", "encoder_layers": 2}
    assert recipe.training.max_update == 100
    assert (recipe.rewind_source, recipe.mask_checkpoint, recipe.budget) == ("last", "last", "matrix")
    assert [recipe.updates(moment) for moment in (recipe.rewind, recipe.prune_end, recipe.prune_interval)] == [5, 80, 2]
    assert recipe.seeds == [1]


@pytest.mark.parametrize(
    "name", [name for name in shipped_recipes() if not name.startswith(("transfer-", "deployed-"))]
)
def test_shipped_recipes_load_by_name(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert "mp" in recipe.names
    if not name.startswith("frontier-"):
        assert "slt" in recipe.names
        assert "dense-longer" in recipe.controls
    if not name.startswith(("frontier-", "systems-")):
        assert "slt-mp" in recipe.names
        assert {50, 80, 90} <= set(recipe.ladder)


DEPLOYED = {
    "deployed-libreoffice-help": (
        {f"shallow-{name}-dense-seed1" for name in ("gmp", "blocks", "student")},
        {"dense-longer-x3-seed1", "small-dense-longer-90-seed1", "shallow-gmp-90-seed1"},
    ),
    "deployed-wide-libreoffice-help": (
        {"narrow-student-dense-seed1"},
        {"dense-longer-x3-seed1", "small-dense-longer-90-seed1", "narrow-student-1-seed1", "blocks-80-seed1"},
    ),
}
"""Runs that are dense teachers' equals, and some that learn from translations."""


@pytest.mark.usefixtures("fairseq_starts_at_once")
@pytest.mark.parametrize("name", DEPLOYED)
def test_what_is_deployed_and_its_controls_learn_from_the_same_translations(name):
    runs = expand(load_recipe(name))
    without = {run.name for run in runs if not (run.settings.get("teacher") or {}).get("sequence")}
    dense, taught = DEPLOYED[name]
    assert without == {"dense-seed1", "distilled-seed1", *dense}
    assert taught <= {run.name for run in runs}


def test_at_the_frontier_ours_has_no_more_updates_behind_it_than_the_longest_ticket():
    frontier = load_recipe("frontier-libreoffice-help")
    recipe = frontier.model_copy(update={"controls": [], "seeds": [1]})
    runs = expand(recipe)
    for percent in recipe.ladder:
        at_rung = {run.technique: run.total_updates for run in runs if run.sparsity == percent / 100}
        assert at_rung["ladder-gmp"] <= max(at_rung[name] for name in ("mp", "slt", "slt-mp"))
    assert frontier.training.max_update == 2 * load_recipe("demo-libreoffice-help").training.max_update


def test_the_systems_are_all_there_is():
    """But for variants of the lottery ticket, which the recipes of Brix 2020 have."""
    recipe = load_recipe("systems-numbers")
    tickets = {"lt", "clt", "slt-mp", "mp-slt", "lr-rewind"}
    assert {*recipe.techniques} == techniques.keys() - techniques.controls().keys() - tickets
    assert recipe.search[0].ffn.startswith("unit")


def test_both_demos_are_shipped():
    assert {"demo-libreoffice-help", "demo-numbers"} <= set(shipped_recipes())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("laddr: [50]", "unknown key laddr; did you mean ladder?"),
        (
            "corpus: {name: numbers, vocabsize: 100}",
            "unknown key corpus.vocabsize; did you mean vocab_size or valid_size?",
        ),
        ("zzz: 1", "unknown key zzz; known: name, corpus, model, "),
        ("seeds: one", "seeds should be a valid list, not 'one'"),
        ("seeds: [one]", "seeds.0 should be a valid integer"),
        ("ladder: [50, .nan]", "ladder.1 should be a finite number"),
        ("search: {step: .inf}", "search.0.step should be a finite number"),
        ("ladder: [50, 100]", "ladder.1 should be less than 100, not 100"),
        ("ladder: [0.5, 0.9]", "ladder.0: 0.5 is below 1 percent: recipes give sparsities in percent; write 50"),
        ("start_rounds: {slt-mp: [0.6]}", "start_rounds.slt-mp.0: 0.6 is below 1 percent: "),
        ("rewind: 5.5", "rewind: 5.5 is neither a share below 1 nor the number of an update"),
        ("search: {keep: 90}", "--keep 90 is outside (0, 1]; 0.9 keeps 90 %"),
        ("search: {step: 10}", "--step 10 is outside (0, 1); 0.1 prunes 10 %"),
        ("ladder: [80, 50]", "ladder: must rise, without repetitions"),
        ("ladder: []", "ladder"),
        ("ladder: [0, 50]", "ladder: 0 is for techniques that quantize; add one of wpc, ternary, int8, int4, or leave"),
        ("ladder: [-10, 50]", "ladder.0 should be greater than or equal to 0"),
        ("search: {ffm: unit}", "unknown key search.0.ffm; did you mean ffn?"),
        ("search: []", "search List should have at least 1 item"),
        ("search: [{drop: 1}, {method: m}]", "search: two searches have no name; give one another"),
        ("search: [{name: m}, {name: m}]", "search: two searches have the name m; give one another"),
        ("search: {name: pruned}", "search.0: name pruned is what techniques end in"),
        ("teacher: {wrod: 0.5}", "unknown key teacher.wrod; did you mean word?"),
        ("search: {checkpoint: first}", "search.0.checkpoint should be 'last' or 'best', not 'first'"),
        ("training: {lr: 1}", "the key training.max_update is missing"),
        ("training: {max_update: soon}", "training.max_update should be a valid integer"),
        ("training: {max_update: 10, save-dir: x}", "training: save_dir is set for each run by the plan; remove it"),
        ("techniques: [stl]", "techniques: 'stl' is none of acdc, block-gmp, clt, finetune, "),
        ("controls: [mp]", "controls: 'mp' is none of clt-random-sign, dense-longer"),
        ("rewind: 0", "rewind should be greater than 0, not 0"),
        ("rewind: 1000", "rewind lies after training.max_update 100"),
        ("rewind_source: first", "rewind_source should be 'last' or 'dense', not 'first'"),
        ("start_rounds: {slt: [50]}", "start_rounds: 'slt' has no start rounds; slt-mp and mp-slt have"),
        ("saliency: magnitud", "unknown saliency 'magnitud'; did you mean magnitude?"),
        ("budget: 'matrix:flor=0.1'", "unknown setting 'flor'"),
        ("precision: half", "precision should be"),
        ("name: a/b", "name"),
        ("published: [brix2021]", "published: no numbers of 'brix2021'; did you mean brix2020?"),
        ("published: [zzz]", "published: no numbers of 'zzz'; there are brix2020 and gale2019"),
        (
            "corpus: {name: numbers, target: fr}\npublished: [brix2020, gale2019]",
            "published: gale2019 has no numbers for en-fr, only for en-de",
        ),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(tmp_path, change, expected):
    key = change.split(":")[0]
    kept = [line for line in GOOD.splitlines() if not line.startswith(f"{key}:")]
    assert expected in message(tmp_path, "\n".join([*kept, change]))


def test_an_unknown_key_is_named_before_what_is_missing(tmp_path):
    assert "did you mean training?" in message(tmp_path, GOOD.replace("training:", "trainning:"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1", "is not YAML at line"),
        ("- 1", "is not a recipe"),
        ("", "is not a recipe"),
    ],
)
def test_what_is_no_recipe_is_refused(tmp_path, text, expected):
    assert expected in message(tmp_path, text)


def test_invalid_utf8_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"name: \xff")
    with pytest.raises(PruneError, match="not UTF-8"):
        load_recipe(str(path))


def test_a_missing_recipe_lists_the_shipped_ones():
    with pytest.raises(PruneError, match=r"recipe nowhere\.yaml does not exist; .*demo-numbers"):
        load_recipe("nowhere.yaml")


def test_an_extension_is_loaded_before_the_specs_that_name_it(tmp_path):
    extension = tmp_path / "constant_saliency.py"
    extension.write_text(
        "from dataclasses import dataclass\n"
        "from nmt_prune.pruning.saliency import Saliency, saliencies\n"
        "@saliencies.register('all-equal')\n"
        "@dataclass(frozen=True)\n"
        "class AllEqual(Saliency):\n"
        "    def score_matrix(self, prunable, weight):\n"
        "        return weight * 0\n"
    )
    recipe = load(tmp_path, f"{GOOD}extension: {extension}\nsaliency: all-equal\n")
    assert expand(recipe)[-1].settings["pruning"]["extension"] == str(extension)


EXTENSION = """
from dataclasses import dataclass
from nmt_prune.pruning.saliency import Saliency, saliencies

@saliencies.register("NAME")
@dataclass(frozen=True)
class Mine(Saliency):
    def score_matrix(self, prunable, weight):
        return weight.abs()
"""


@pytest.mark.parametrize("listed", [True, False])
def test_extensions_are_relative_to_the_recipe(tmp_path, monkeypatch, listed):
    (tmp_path / "elsewhere").mkdir()
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(EXTENSION.replace("NAME", f"{name}-{listed}"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    extension = "[one.py, elsewhere/../two.py]" if listed else "one.py"
    recipe = load(tmp_path, GOOD + f"extension: {extension}\nsaliency: one-{listed}\n")
    files = [str(tmp_path / name) for name in (["one.py", "two.py"] if listed else ["one.py"])]
    assert recipe.extension == files
    run = next(run for run in expand(recipe) if run.name == "slt-50-seed1")
    assert run.settings["pruning"]["extension"] == ":".join(files)


def test_a_missing_extension_is_named(tmp_path):
    assert f"extension {tmp_path / 'no.py'} does not exist" in message(tmp_path, GOOD + "extension: no.py\n")
