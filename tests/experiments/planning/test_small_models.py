"""The control ``small-dense`` and those of equal updates."""

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.reports.aggregates import aggregate
from nmt_prune.evaluation.reports.tables.bleu import control_table
from nmt_prune.evaluation.reports.tables.legend import remarks
from nmt_prune.experiments.planning.expansion import expand
from nmt_prune.experiments.planning.small_models import sizes
from tests.evaluation.samples import results, row
from tests.experiments.recipes import make_recipe

PRE_NORM = {"encoder_normalize_before": True, "decoder_normalize_before": True}
MODEL = {"arch": "masked_transformer_tiny", "share_all_embeddings": True, **PRE_NORM}
LADDER = [10, 50, 80, 90, 98]
pytestmark = pytest.mark.usefixtures("fairseq_starts_at_once")


def parameters(width, ffn, layers, vocabulary=150):
    """By hand: matrices with biases, two or three layer norms in a layer, one behind each stack, one embedding."""
    attention, norm = 4 * (width * width + width), 2 * width
    feed_forward = 2 * width * ffn + ffn + width
    encoder, decoder = attention + feed_forward + 2 * norm, 2 * attention + feed_forward + 3 * norm
    return vocabulary * width + layers[0] * encoder + layers[1] * decoder + 2 * norm


def prunable(width, ffn, layers, vocabulary=150):
    matrices = 4 * width * width
    body = layers[0] * (matrices + 2 * width * ffn) + layers[1] * (2 * matrices + 2 * width * ffn)
    return body + (vocabulary - 1) * width


@pytest.fixture(scope="module")
def runs(fairseq_starts_at_once):
    controls = ["small-dense", "small-dense-longer", "mp-longer", "mp-scratch", "dense-longer"]
    recipe = make_recipe(model=MODEL, ladder=LADDER, techniques=["mp", "slt"], controls=controls)
    return {run.name: run for run in expand(recipe)}


def test_as_many_parameters_as_the_rung_leaves_non_zero(runs):
    for percent in LADDER:
        run = runs[f"small-dense-{percent}-seed1"]
        size, model = run.settings["size"], run.settings["model"]
        width, ffn, layers = (
            model["encoder_embed_dim"],
            model["encoder_ffn_embed_dim"],
            (model["encoder_layers"], model["decoder_layers"]),
        )
        assert {width % 8, ffn % 8} == {0}
        assert width % model["encoder_attention_heads"] == 0
        assert (width, ffn) == (model["decoder_embed_dim"], model["decoder_ffn_embed_dim"])
        assert size["parameters"] == parameters(width, ffn, layers)
        dense = (64, 64, (2, 2))
        assert size["nonzeros"] == parameters(*dense) - round(percent / 100 * prunable(*dense))
        assert size["parameters"] >= size["nonzeros"] > parameters(width, ffn - 8, layers) or ffn == width // 2
        assert model["share_all_embeddings"]


def test_depth_goes_only_where_the_width_would_fall_under_the_floor(runs):
    def shape(percent):
        model = runs[f"small-dense-{percent}-seed1"].settings["model"]
        return model["encoder_embed_dim"] >= 32, model["encoder_layers"], model["decoder_layers"]

    assert shape(50) == (True, 2, 2)
    assert shape(90) == (True, 1, 1)
    assert shape(98) == (False, 1, 1)


def test_it_is_trained_once_like_the_dense_model(runs):
    run = runs["small-dense-90-seed1"]
    assert (run.parent, run.first_update, run.total_updates, run.settings["pruning"]) == (None, 0, 100, {})
    assert run.settings["training"] == runs["dense-seed1"].settings["training"]
    assert run.sparsity == 0.9
    longer = runs["small-dense-longer-90-seed1"]
    assert longer.total_updates == runs["slt-90-seed1"].total_updates == 500
    assert longer.settings["model"] == run.settings["model"]


def test_mp_with_the_updates_of_the_longest_technique(runs):
    scratch, longer = runs["mp-scratch-80-seed1"], runs["mp-longer-80-seed1"]
    assert scratch.total_updates == longer.total_updates == runs["slt-80-seed1"].total_updates == 400
    assert (scratch.parent, scratch.updates, longer.parent, longer.updates) == (None, 400, "dense-seed1", 300)
    schedules = [run.settings["pruning"]["schedule"] for run in (scratch, longer)]
    assert schedules == ["cubic:initial=0,end=320,interval=8", "cubic:initial=0,end=240,interval=6"]
    assert scratch.settings["training"]["max_update"] == 400
    assert longer.settings["pruning"]["mask_from"] == "dense-seed1/checkpoint_last.pt"
    assert runs["mp-scratch-10-seed1"].total_updates == 200


def test_nothing_to_be_trained_longer():
    with pytest.raises(PruneError, match="mp-longer: no technique of the recipe has more updates behind 50 % than"):
        expand(make_recipe(techniques=["mp"], controls=["mp-longer"]))
    runs = {run.name: run for run in expand(make_recipe(techniques=["mp"], controls=["mp-scratch"]))}
    assert runs["mp-scratch-50-seed1"].total_updates == 100


def test_an_architecture_without_smaller_ones():
    recipe = make_recipe(model={"arch": "fconv_iwslt_de_en"}, controls=["small-dense"])
    with pytest.raises(PruneError, match=r"^small-dense: no smaller model of this architecture can be had: [^\n]+$"):
        expand(recipe)


def test_the_plan_shows_the_sizes(runs):
    lines = sizes(runs.values())
    assert len(lines) == len(LADDER)
    assert lines[1].startswith("small dense for 50 %: 7")
    assert "encoder 2 × 48 (feed-forward 2" in lines[1]


def test_the_report_says_that_it_is_dense():
    rows = [row("dense", 0, 30, 100), row("small-dense", 0.9, 20, 100)]
    rows[1] = type(rows[1])(**{**vars(rows[1]), "sparsity_prunable": 0.0, "sparsity_body": 0.0})
    assert ["small dense", "0 %, size of 90 %", "20.0 (100)", "–"] in list(control_table(aggregate(rows)).rows)
    assert not any("small-dense" in line for line in remarks(results(*rows)))
