"""The page: well formed, complete without pictures and colours, and nothing of a name or text becomes markup."""

import itertools
from collections import Counter

import pytest
from lxml import html
from lxml.html import HtmlElement

from nmt_prune.evaluation.reports.page.answer import lead, marks
from nmt_prune.evaluation.reports.page.page import column_techniques, write_transfer_page
from nmt_prune.evaluation.reports.tables.bleu import sparsity_table
from nmt_prune.evaluation.reports.tables.table import Section, Table
from tests.evaluation.reports.page.conftest import HOSTILE, Page, write
from tests.evaluation.samples import results, row


@pytest.fixture(scope="module")
def root(page: Page) -> HtmlElement:
    return html.document_fromstring(page.path.read_text(encoding="utf-8"))


def test_headings_go_down_step_by_step(root):
    levels = [int(one.tag[1]) for one in root.iter("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    headings = [one.text for one in root.iter("h2")]
    assert headings == [
        *("Answer", "Curves", "Details", "Example translations", "How to read the numbers", "How to get them again")
    ]
    assert [one.text for one in root.xpath("//nav//a")] == headings


def test_ids_are_unique_and_links_lead_to_them(root):
    ids = Counter(root.xpath("//@id"))
    assert max(ids.values()) == 1
    links = root.xpath("//a/@href | //*[local-name() = 'use']/@href")
    assert links
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert {name for names in root.xpath("//@aria-labelledby") for name in names.split()} <= set(ids)
    assert {clip[5:-1] for clip in root.xpath("//@clip-path")} <= set(ids)


def test_each_figure_has_a_text_alternative_and_a_caption(root):
    figures = list(root.iter("figure"))
    assert len(figures) == 4
    for figure in figures:
        (drawing,) = figure.xpath("./svg[@role = 'img']")
        assert "SLT: 50 %: BLEU" in drawing.get("aria-label")
        assert figure.find("figcaption").text.startswith("BLEU by ")
    assert "90 %: BLEU " in figures[0].find("svg").get("aria-label")
    assert " at 0.4 MB" in figures[0].find("svg").get("aria-label")


def test_points_say_what_they_are_and_techniques_can_be_picked(root):
    drawing = next(root.iter("figure")).find("svg")
    titles = {title.text for title in drawing.xpath(".//*[@data-technique = 'slt']//title")}
    assert len(titles) == 2
    assert all(title in drawing.get("aria-label") for title in titles)
    assert root.xpath("//button/@data-pick") == ["mp", "slt", HOSTILE]
    assert set(root.xpath("//main//@data-technique")) == {"dense", "mp", "slt", HOSTILE}


def test_tables_have_captions_and_scopes(root):
    tables = list(root.iter("table"))
    assert len(tables) == 4
    for table in tables:
        assert table.find("caption").text
        assert set(table.xpath("./thead//th/@scope")) == {"col"}
        assert all(next(iter(row.iter("th", "td"))).get("scope") == "row" for row in table.xpath("./tbody/tr"))
        assert len({len(row) for row in table.iter("tr")}) == 1


def test_nothing_is_fetched_and_no_text_becomes_markup(page, root):
    assert len(list(root.iter("script"))) == 1
    assert not list(root.iter("img", "link", "iframe", "i", "b"))
    assert not root.xpath("//@src | //@onerror | //@xlink:href", namespaces={"xlink": "http://www.w3.org/1999/xlink"})
    assert "url(http" not in page.path.read_text(encoding="utf-8")
    assert root.find(".//title").text == "toy <b>&: BLEU by sparsity"
    sources = root.xpath("//dt[. = 'source']/following-sibling::dd")
    assert sources
    assert all(one.text_content() == f"source {HOSTILE}" for one in sources)
    assert any(HOSTILE in one.text_content() for one in root.xpath("//td[@class = 'commands']"))


def test_examples_are_marked_where_the_reference_differs(root):
    replaced = root.xpath("//dd/mark")
    assert replaced
    assert "falsch" in {one.text for one in replaced}
    assert not root.xpath("//dt[. = 'reference']/following-sibling::dd/mark")


def test_the_same_results_give_the_same_bytes(page, tmp_path):
    write(tmp_path / "again.html", page.runs)
    assert (tmp_path / "again.html").read_bytes() == page.path.read_bytes()


ROWS = [
    row("dense", 0, 22.14, 800),
    row("mp", 0.5, 21.9, 800, p_value=0.3, delta=-0.24),
    row("slt", 0.5, 22.2, 1600, p_value=0.9, delta=0.06),
    row("mp", 0.9, 20.2, 800, p_value=0.001, delta=-1.94),
    row("slt", 0.9, 12.0, 2400, p_value=0.001, delta=-10.14),
    row("clt", 0.9, 20.18, 2400),
    row("dense-longer", 0, 24.4, 1600, p_value=0.001, delta=2.26),
    row("random", 0.9, 23.0, 2400),
]


def test_the_best_of_each_sparsity_is_marked_and_what_differs_from_mp():
    table = sparsity_table(results(*ROWS).aggregates)
    found = marks(results(*ROWS), table)
    assert {(table.cells[place].technique, table.cells[place].sparsity) for place in found.best} == {
        *(("slt", 0.5), ("mp", 0.9), ("clt", 0.9))  # 20.18 is shown as 20.2
    }
    assert {(table.cells[place].technique, table.cells[place].sparsity) for place in found.other} == {("slt", 0.9)}
    assert len(found.legend) == 2
    assert column_techniques(table) == [None, None, None, "mp", "slt", "clt"]
    alone = results(*(one for one in ROWS if one.technique != "mp"))
    found = marks(alone, sparsity_table(alone.aggregates))
    assert (found.other, len(found.legend)) == (frozenset(), 1)


@pytest.mark.parametrize(("bleu", "places"), [(21.9, 0), (22.3, 1)])
def test_what_is_no_sparser_than_the_dense_model_is_best_only_if_it_is_as_good(bleu, places):
    quantized = results(row("dense", 0, 22.14, 800), row("int8", 0, bleu, 1600), row("mp", 0.5, 20.0, 800))
    found = marks(quantized, sparsity_table(quantized.aggregates)).best
    assert len(found) == places + 1  # MP is alone at its sparsity


def test_the_answer_in_sentences():
    assert lead(results(*ROWS)) == [
        "The dense model has **22.1 BLEU** after 800 updates.",
        "The sparsest system with at least its mean BLEU: SLT at 50 % with **22.2 BLEU** (+0.1 to the dense model)"
        " after 1,600 updates.",
        "The best at 90 %: MP at 90 % with **20.2 BLEU** (-1.9* to the dense model) after 800 updates.",
        "The dense model trained on to 1,600 updates has 24.4 BLEU: more updates alone do that.",
    ]
    assert lead(results(row("slt", 0.9, 12.0, 2400))) == [
        "The best at 90 %: SLT at 90 % with **12.0 BLEU** after 2,400 updates."
    ]


def test_a_matrix_links_to_its_targets(tmp_path):
    table = Table(["", "on en-de"], [["dense", "30.0"], ["mask from <i>", "29.0"]], shades={(1, 1): 0.5})
    write_transfer_page(tmp_path / "report.html", "matrix", Section("", table, ["`a` *b*"]), ["en-de", "<i> #"])
    root = html.parse(tmp_path / "report.html").getroot()
    assert root.xpath("//li/a/@href") == ["../en-de/report/report.html", "../%3Ci%3E%20%23/report/report.html"]
    assert root.xpath("//td[@class = 'shaded']/@style") == ["--shade: 0.500"]
    assert root.xpath("//li/code/text() | //li/em/text()") == ["a", "b"]
