import matplotlib
import pytest

from nmt_prune.evaluation.reports.figures.bleu import draw, plot, spread
from nmt_prune.evaluation.reports.figures.style import looks
from tests.drawings import texts_of_both
from tests.evaluation.samples import results, row
from tests.evaluation.test_report import ROWS


def test_both_formats_and_the_same_bytes_again(tmp_path):
    written = []
    for name in ("one", "two"):
        paths = [tmp_path / f"{name}.png", tmp_path / f"{name}.svg"]
        plot(results(*ROWS), paths)
        written.append([path.read_bytes() for path in paths])
    png, svg = written[0]
    assert png.startswith(b"\x89PNG")
    assert svg.startswith(b"<?xml")
    assert b"<dc:date>" not in svg
    assert written[0] == written[1]


def test_settings_of_the_caller_are_left_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    plot(results(*ROWS), [tmp_path / "a.svg"])
    assert dict(matplotlib.rcParams) == before


def test_what_is_drawn():
    axes = draw(results(*ROWS)).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "MP (800)",
        "SLT (1,600 to 3,200)",
        "SLT-MP (1,600 to 2,400)",
        "random mask (2,400)",
    ]
    assert [text.get_text() for text in axes.texts] == ["dense (800)", "dense, trained on (1,600)"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["50", "80", "97.5"]
    curve = next(container.lines[0] for container in axes.containers if container.get_label().startswith("SLT ("))
    assert list(curve.get_ydata()) == [23.9, 22.2, 12.0]
    assert list(curve.get_xdata()) == pytest.approx([0, 1.386, 3.664], abs=1e-3)  # ln 1, ln 4, ln 39


def test_error_bars_and_band_only_with_several_seeds():
    one = draw(results(*ROWS)).axes[0]
    assert not any(container.has_yerr for container in one.containers)
    assert not one.patches
    seeds = [row("dense", 0, bleu, 800, seed=seed) for seed, bleu in ((1, 22), (2, 24))]
    seeds += [row("mp", 0.5, bleu, 800, seed=seed) for seed, bleu in ((1, 20), (2, 21))]
    many = draw(results(*seeds)).axes[0]
    assert many.containers[0].has_yerr
    assert len(many.patches) == 1


def test_close_sparsities_share_a_label():
    rows = [row("mp", sparsity, 20, 800) for sparsity in (0.1, 0.5, 0.9, 0.901)]
    labels = [label.get_text() for label in draw(results(*rows)).axes[0].get_xticklabels()]
    assert labels == ["10", "50", "", "90.1"]


def test_only_dense_runs(tmp_path):
    only_dense = results(row("dense", 0, 22.1, 800), row("dense-again", 0, 22.1, 800))
    axes = draw(only_dense).axes[0]
    assert ([text.get_text() for text in axes.texts], axes.containers, axes.get_legend()) == (["dense (800)"], [], None)
    plot(only_dense, [tmp_path / f"dense.{suffix}" for suffix in ("png", "svg")])
    assert "dense (800)" in texts_of_both(tmp_path / "dense")


@pytest.mark.parametrize(
    ("heights", "places"),
    [
        ([1, 5, 9], [1, 5, 9]),
        ([1, 1.5, 9], [1, 2, 9]),
        ([9, 9.5, 9.9], [8, 9, 10]),
        ([], []),
    ],
)
def test_labels_are_spread(heights, places):
    assert spread(heights, 1, 10) == places


def test_many_techniques_look_different_and_have_their_legend_beside_the_axes():
    names = [f"technique-{number}" for number in range(30)]
    found = looks(names)
    assert len({(look["color"], look["marker"]) for look in found.values()}) == 30
    figure = draw(results(*[row(name, 0.5, 20, 800) for name in names]))
    assert figure.axes[0].get_legend() is None
    assert len(figure.legends[0].get_texts()) == 30
    assert figure.get_figheight() > 6
