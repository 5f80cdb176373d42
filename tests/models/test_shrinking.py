"""A shrunk model translates as the masked one did, word for word, on trained weights, and can be trained on."""

import re
from pathlib import Path

import pytest
import torch
from fairseq_cli import generate, interactive, validate

from nmt_prune.checkpoints import Checkpoint, save
from nmt_prune.checkpoints.widths import WIDTHS, flag
from nmt_prune.shrinking.checkpoint import shrink
from tests.models.shrinking import (
    DIMENSION,
    HEAD_DIM,
    HEADS,
    PRE_NORM,
    SIZES,
    UNITS,
    head,
    mask,
    parameters,
    translations,
    unit,
)
from tests.models.test_fairseq_commands import BATCHES, PLUGIN, TRANSLATION, command, hypotheses, in_process
from tests.tasks.training import MASK, STOCK, Training, assert_same, train

pytestmark = pytest.mark.slow

ENCODER, DECODER = "encoder.layers", "decoder.layers"
ALL_HEADS, ALL_UNITS = range(HEADS), range(UNITS)
ATTENTION = 4 * DIMENSION**2 + 3 * DIMENSION  # parameters of an attention but its output bias
HEAD = ATTENTION // HEADS
UNIT = 2 * DIMENSION + 1

CASES = {
    "some heads": (
        head(f"{ENCODER}.0.self_attn", 1, 2) | head(f"{DECODER}.1.self_attn", 0) | head(f"{DECODER}.0.encoder_attn", 3),
        4 * HEAD,
        0,
    ),
    "an encoder self-attention": (head(f"{ENCODER}.1.self_attn", *ALL_HEADS), ATTENTION, 1),
    "both decoder self-attentions": (
        head(f"{DECODER}.0.self_attn", *ALL_HEADS) | head(f"{DECODER}.1.self_attn", *ALL_HEADS),
        2 * ATTENTION,
        2,
    ),
    "units": (unit(f"{ENCODER}.0", range(0, 20, 2)) | unit(f"{DECODER}.1", [3, 19]), 12 * UNIT, 0),
    "a feed-forward": (unit(f"{DECODER}.0", ALL_UNITS), UNITS * UNIT, 1),
    "values only": (head(f"{ENCODER}.0.self_attn", 0, 3, matrices="v"), 2 * HEAD, 0),
    "outputs only": (head(f"{DECODER}.1.encoder_attn", 0, 1, matrices="o"), 2 * HEAD, 0),
    "values of a whole sublayer": (head(f"{DECODER}.0.self_attn", *ALL_HEADS, matrices="v"), ATTENTION, 1),
    "rows of fc1": (unit(f"{ENCODER}.1", range(15), matrices="1"), 15 * UNIT, 0),
    "columns of fc2": (unit(f"{ENCODER}.1", range(15), matrices="2"), 15 * UNIT, 0),
    "a whole layer": (head(f"{ENCODER}.0.self_attn", *ALL_HEADS) | unit(f"{ENCODER}.0", ALL_UNITS), None, 2),
    "a cross-attention": (head(f"{DECODER}.1.encoder_attn", *ALL_HEADS), ATTENTION, 1),
}
"""What is dead, how many parameters that is, and how many sublayers are gone."""


@pytest.fixture(scope="session", params=["post-norm", "pre-norm"])
def trained(request, corpus, tmp_path_factory) -> Training:
    norm = PRE_NORM if request.param == "pre-norm" else ""
    flags = f"{SIZES} {norm} --max-update 60 --lr 0.03 --max-tokens 400"
    return train(corpus, tmp_path_factory.mktemp(request.param), flags)


def shrink_file(path: Path) -> Path:
    small = path.with_name("small.pt")
    save(shrink(Checkpoint.load(path), allow_empty_cross_attention=True).state, small)
    return small


def assert_same_translations(found, expected):
    assert [tokens for tokens, _ in found] == [tokens for tokens, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_same_translations_from_fewer_parameters(trained, corpus, tmp_path, name):
    dead, gone, sublayers = CASES[name]
    masked = mask(trained, dead, tmp_path / "masked.pt")
    small = shrink_file(masked)
    expected = translations(corpus, masked)
    assert_same_translations(translations(corpus, small), expected)
    if gone is not None:
        norms = 2 * DIMENSION * sublayers if "pre-norm" in str(trained.folder) else 0
        assert parameters(masked) - parameters(small) == gone + norms
    # The control: without the dead weights it is another model.
    dense = translations(corpus, trained.folder / "checkpoint_last.pt")
    assert max(abs(ours - theirs) for (_, ours), (_, theirs) in zip(expected, dense, strict=True)) > 1e-3


def test_the_folded_constants_matter(trained, corpus, tmp_path):
    """The control of the folding: without it the cases above would fail."""
    masked = mask(trained, CASES["rows of fc1"][0] | CASES["values only"][0], tmp_path / "masked.pt")
    small = Checkpoint.load(shrink_file(masked))
    for name in (f"{ENCODER}.1.fc2.bias", f"{ENCODER}.0.self_attn.out_proj.bias"):
        small.state["model"][name] = trained.weights()[name]
    save(small.state, tmp_path / "unfolded.pt")
    one, other = translations(corpus, masked), translations(corpus, tmp_path / "unfolded.pt")
    assert max(abs(ours - theirs) for (_, ours), (_, theirs) in zip(one, other, strict=True)) > 1e-3


def test_zeros_count_where_there_are_no_masks(trained, corpus, tmp_path):
    masked = mask(trained, CASES["some heads"][0], tmp_path / "masked.pt", keep_masks=False)
    small = shrink_file(masked)
    assert parameters(masked) - parameters(small) == 4 * HEAD
    assert_same_translations(translations(corpus, small), translations(corpus, masked))


@pytest.fixture
def masked(trained, tmp_path) -> Path:
    """Something of everything; among what is left a mask on single weights."""
    dead = CASES["some heads"][0] | CASES["a feed-forward"][0] | CASES["both decoder self-attentions"][0]
    dead |= CASES["rows of fc1"][0] | {f"{ENCODER}.0.fc1.weight": (slice(0, 9), slice(3, 11))}
    return mask(trained, dead, tmp_path / "masked.pt")


def test_fairseq_generate_in_its_own_process(corpus, masked, capsys):
    words = f"{TRANSLATION} --task translation"
    found = command("generate", corpus, PLUGIN, words, "--path", shrink_file(masked))
    expected, _ = in_process(generate.cli_main, capsys, corpus, PLUGIN, words, "--path", masked)
    assert hypotheses(found) == hypotheses(expected)
    assert any(hypotheses(found).values())
    scores = [
        [float(score) for score in re.findall(r"^H-\d+\t(\S+)", output, re.MULTILINE)] for output in (found, expected)
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_fairseq_interactive_and_validate(corpus, masked, capsys, tmp_path):
    (tmp_path / "input").write_text("one two three\nseven\n")
    paths, words = (masked, shrink_file(masked)), f"-s en -t de --beam 2 --input {tmp_path}/input --print-alignment"
    outputs = [in_process(interactive.cli_main, capsys, corpus, PLUGIN, words, "--path", path)[0] for path in paths]
    assert hypotheses(outputs[0]) == hypotheses(outputs[1])
    words = f"--task translation_pruning -s en -t de {BATCHES} --valid-subset valid --log-format json"
    words += " --criterion label_smoothed_cross_entropy --label-smoothing 0.1"
    logs = [in_process(validate.cli_main, capsys, corpus, PLUGIN, words, "--path", path)[1] for path in paths]
    losses = [re.search(r'"valid_loss": "([\d.]+)"', log)[1] for log in logs]
    assert losses[0] == losses[1]


def test_alignments_without_a_cross_attention_are_those_of_the_masked_model(trained, corpus, capsys, tmp_path):
    masked = mask(trained, CASES["a cross-attention"][0], tmp_path / "masked.pt")
    words = f"{TRANSLATION} --task translation --print-alignment soft"
    outputs = [
        in_process(generate.cli_main, capsys, corpus, PLUGIN, words, "--path", path)[0]
        for path in (masked, shrink_file(masked))
    ]
    alignments = [re.findall(r"^A-\d+\t.*$", output, re.MULTILINE) for output in outputs]
    assert alignments[0] == alignments[1]
    assert len(alignments[0]) == 6


def flags_for(small: Path) -> str:
    model = torch.load(small)["cfg"]["model"]
    lists = " ".join(f"{flag(setting)} {model[setting]}" for setting in WIDTHS)
    norm = PRE_NORM if model["encoder_normalize_before"] else ""
    return f"--arch {model['arch']} {SIZES} {norm} {lists}"


@pytest.mark.parametrize("task", ["translation", "translation_pruning"])
def test_training_goes_on(run_training, masked, task):
    small = shrink_file(masked)
    start = (flags_for(small), f"--task {task}", "--finetune-from-model", small)
    still = run_training("still", *start, "--lr 0 --max-update 1")
    assert_same(still.weights(), {name: t for name, t in torch.load(small)["model"].items() if MASK not in name})
    moved = run_training("moved", *start, "--max-update 8", "--attention-dropout 0.1 --activation-dropout 0.1")
    # Not the bias of the keys, which attention does not depend on.
    parts = ("fc1.bias", "fc2.bias", "q_proj.weight", "out_proj.bias")
    names = [name for name in still.weights() if ".layers." in name and name.endswith(parts)]
    assert [name for name in names if torch.equal(moved.weights()[name], still.weights()[name])] == []
    assert moved.masks().keys() == {f"{ENCODER}.0.fc1.weight"}
    if task == "translation_pruning":
        name, alive = moved.masks().popitem()
        assert moved.weights()[name][~alive].abs().max() == 0
        assert int((~alive).sum()) == 9 * 8


def test_pruned_further_and_shrunk_again(run_training, corpus, masked):
    small = shrink_file(masked)
    start = (flags_for(small), "--mask-from", small, "--reset keep --sparsity 0.5")
    further = run_training("further", *start, "--group head --max-update 4")
    assert further.progress()[-1]["revived"] == 0
    last = further.folder / "checkpoint_last.pt"
    smaller = shrink_file(last)
    widths = torch.load(smaller)["cfg"]["model"]
    assert widths["encoder_layer_heads"] == "1,2"  # of 2 and 4
    assert_same_translations(translations(corpus, smaller), translations(corpus, last))


def test_other_widths_than_the_flags_say_are_refused(run_training, masked):
    small = shrink_file(masked)
    with pytest.raises(SystemExit, match="of another architecture"):
        run_training("other", SIZES, "--mask-from", small, "--reset keep")


def test_strange_ways_to_train(run_training, masked):
    """Layers dropped at random, activations computed again, and an average of the weights."""
    flags = "--encoder-layerdrop 0.5 --decoder-layerdrop 0.5 --checkpoint-activations --store-ema --max-update 4"
    small = shrink_file(masked)
    training = run_training("strange", flags_for(small), "--mask-from", small, "--reset keep", flags)
    shapes = {name: tensor.shape for name, tensor in training.weights().items()}
    assert shapes[f"{ENCODER}.0.self_attn.q_proj.weight"] == (2 * HEAD_DIM, DIMENSION)
    assert f"{DECODER}.0.fc1.weight" not in shapes


def test_a_stock_checkpoint_shrinks(run_training, corpus, tmp_path):
    stock = run_training("stock", STOCK, SIZES)
    zeros = mask(stock, CASES["some heads"][0], tmp_path / "zeros.pt", keep_masks=False)
    assert_same_translations(translations(corpus, shrink_file(zeros)), translations(corpus, zeros))
