"""WMT 2014 from a loopback mirror that holds archives in the published layouts."""

from pathlib import Path

import pytest

from data_prep.corpora import choose
from data_prep.corpora.numbers import generate
from data_prep.download.archive_table import read_table
from data_prep.download.fetching import Fetching
from nmt_prune.errors import PruneError
from nmt_prune.files import file_digest
from tests.data_prep.archives import (
    describe,
    fill_sacrebleu,
    lines,
    training_pairs,
    use_sacrebleu,
    write_archive,
    write_table,
    write_training_archives,
)
from tests.data_prep.mirror import Mirror

FRENCH = ["europarl-v7", "commoncrawl", "news-commentary-v9", "giga-fren", "undoc-2000"]
GERMAN = FRENCH[:3]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A folder with the mirror's archives, their table, and a filled cache of sacreBLEU's."""
    folder = tmp_path_factory.mktemp("published")
    write_training_archives(folder / "mirror", folder / "table.tsv")
    fill_sacrebleu(folder / "sacrebleu")
    return folder


@pytest.fixture
def mirror(published):
    with Mirror(published / "mirror").running() as mirror:
        yield mirror


@pytest.fixture
def fetch(tmp_path, published, mirror, monkeypatch):
    """Fetches a corpus into ``tmp_path/text``."""
    use_sacrebleu(published / "sacrebleu", monkeypatch)
    (tmp_path / "text").mkdir()

    def call(name: str = "wmt14-en-de", table: Path = published / "table.tsv", offline: bool = False, **settings):
        fetching = Fetching(tmp_path / "cache", call.lines.append, (mirror.address,), offline)
        return choose(name, archives=str(table), **settings).fetch(tmp_path / "text", fetching)

    call.lines = []
    return call


@pytest.mark.parametrize(
    ("name", "source", "target", "corpora"),
    [("wmt14-en-de", "en", "de", GERMAN), ("wmt14-en-de", "de", "en", GERMAN), ("wmt14-en-fr", "en", "fr", FRENCH)],
)
def test_every_corpus_is_extracted_side_by_side(fetch, tmp_path, name, source, target, corpora):
    texts = fetch(name, source=source, target=target)
    assert [text.name for text in texts.train] == corpora
    other = "fr" if "fr" in name else "de"
    for text in texts.train:
        pairs = training_pairs(text.name, other, 50)
        assert text.source == tmp_path / "text" / f"{text.name}.{source}"
        assert text.source.read_bytes() == lines(pairs, int(source != "en"))
        assert text.target.read_bytes() == lines(pairs, int(target != "en"))
    for text, size in ((texts.valid, 3000), (texts.test, 3003)):
        pairs = generate(size, "en", other, seed=size)
        assert text.source.read_bytes() == lines(pairs, int(source != "en"))
        assert text.target.read_bytes() == lines(pairs, int(target != "en"))


def test_what_is_complete_is_not_made_again(fetch, tmp_path, mirror):
    before = fetch()
    written = [text.source.stat().st_mtime_ns for text in before.train]
    for archive in (tmp_path / "cache/wmt14").glob("*.tgz"):
        archive.unlink()
    assert fetch(offline=True) == before
    assert [text.source.stat().st_mtime_ns for text in before.train] == written
    assert len(mirror.requests) == 3


def test_a_text_without_its_note_is_made_again(fetch, tmp_path):
    """A run was killed before the lines were counted."""
    text = fetch().train[0]
    (tmp_path / "text/europarl-v7.archive.json").unlink()
    text.source.write_bytes(b"cut o")
    fetch(offline=True)
    assert text.source.read_bytes() == lines(training_pairs("europarl-v7", "de", 50), 0)


def test_text_of_another_archive_is_replaced(fetch, tmp_path, published):
    fetch()
    table = change(published, tmp_path, "commoncrawl", lambda content: b"new " + content)
    text = fetch(table=table).train[1]
    assert text.source.read_bytes().startswith(b"new ")


def change(published: Path, folder: Path, corpus: str, edit, side: str = "en") -> Path:
    """A table in which one archive is another: ``edit`` was applied to one of its files. It lies in the cache."""
    rows = read_table(published / "table.tsv")
    (index,) = (index for index, row in enumerate(rows) if row.corpus == corpus)
    row, members = rows[index], []
    for code in ("de", "en"):
        content = lines(training_pairs(corpus, "de", 50), int(code == "de"))
        members.append((row.path(code, "de"), edit(content) if code == side else content))
    path = write_archive(folder / "cache/wmt14/changed.tgz", members)
    rows[index] = describe(row.model_copy(update={"url": "https://www.statmt.org/changed.tgz"}), path)
    write_table(folder / "changed.tsv", rows)
    return folder / "changed.tsv"


@pytest.mark.parametrize(
    ("edit", "count"),
    [(lambda text: text + b"one more\n", 51), (lambda text: text + b"unended", 51), (lambda text: text[:-1], None)],
    ids=["a line more", "a line more without an end", "no end of the last line"],
)
def test_unequal_lines_name_the_corpus_and_both_counts(fetch, tmp_path, published, edit, count):
    table = change(published, tmp_path, "europarl-v7", edit)
    if count is None:
        assert len(fetch(table=table).train) == 3
        return
    for _ in range(2):
        with pytest.raises(PruneError, match=rf"europarl-v7: .*\.en has {count} lines and .*\.de has 50"):
            fetch(table=table)


def test_other_line_ends_do_not_shift_a_side(fetch, tmp_path, published):
    def edit(content: bytes) -> bytes:
        return b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n").replace(b" ", "\u2028".encode(), 1)

    assert fetch(table=change(published, tmp_path, "europarl-v7", edit)).train[0].name == "europarl-v7"


def test_a_chosen_corpus_is_all_that_is_fetched(fetch, mirror):
    texts = fetch("wmt14-en-fr", corpora="giga-fren, news-commentary-v9")
    assert [text.name for text in texts.train] == ["news-commentary-v9", "giga-fren"]
    assert sorted(request.path for request in mirror.requests) == [
        "/wmt10/training-giga-fren.tar",
        "/wmt14/training-parallel-nc-v9.tgz",
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "en", "target": "fr"}, "--source en --target fr: corpus wmt14-en-de has en and de"),
        ({"corpora": "europarl"}, "--corpora europarl: corpus wmt14-en-de consists of europarl-v7, commoncrawl, news-"),
        ({"corpora": "giga-fren"}, "--corpora giga-fren: corpus wmt14-en-de consists of"),
        ({"archives": "nothing.tsv"}, "--archives nothing.tsv cannot be read: .*No such file"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_fetched(settings, message):
    corpus = choose("wmt14-en-de", **settings)
    with pytest.raises(PruneError, match=message):
        corpus.settings()


def test_settings_and_inputs_are_digests_not_places(fetch, tmp_path, published, mirror):
    fetch()
    corpus = choose("wmt14-en-de", archives=str(published / "table.tsv"))
    (tmp_path / "moved.tsv").write_text((published / "table.tsv").read_text())
    assert choose("wmt14-en-de", archives=str(tmp_path / "moved.tsv")).settings() == corpus.settings()
    assert corpus.settings() != choose("wmt14-en-de").settings()
    inputs = corpus.inputs(Fetching(tmp_path / "cache", print, offline=True))
    europarl = tmp_path / "cache/wmt14/training-parallel-europarl-v7.tgz"
    assert inputs[europarl.name] == file_digest(europarl)
    assert sorted(inputs)[-4:] == ["wmt13.en-de.ref", "wmt13.en-de.src", "wmt14_full.en-de.ref", "wmt14_full.en-de.src"]
