"""The table of archives, and everything that can be wrong with one."""

import pytest

from data_prep.download.archive_table import Archive, read_table
from nmt_prune.errors import PruneError
from tests.data_prep.archives import PUBLISHED, write_table


def test_the_shipped_table_lists_the_published_archives():
    rows = {row.corpus: row for row in read_table(PUBLISHED)}
    german = ["europarl-v7", "commoncrawl", "news-commentary-v9"]
    assert list(rows) == [*german, "giga-fren", "undoc-2000"]
    assert [row.corpus for row in rows.values() if "en-de" in row.pairs] == german
    assert all("en-fr" in row.pairs for row in rows.values())
    assert sum(row.bytes for row in rows.values()) == 6_617_099_128
    giga, europarl = rows["giga-fren"], rows["europarl-v7"]
    assert giga.remote.name == "training-giga-fren.tar"
    assert giga.path("en", "fr") == "giga-fren.release2.fixed.en.gz"
    assert europarl.path("de", "de") == "training/europarl-v7.de-en.de"
    assert europarl.path("en", "fr") == "training/europarl-v7.fr-en.en"


ROW = dict(zip(Archive.model_fields, ("a", "en-de", "https://h/a.tgz", "1", "0" * 64, "a.{side}"), strict=True))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("corpus", "../a", "line 2, column corpus"),
        ("url", "ftp://h/a.tgz", "line 2, column url"),
        ("bytes", "-1", "line 2, column bytes"),
        ("sha256", "abc", "line 2, column sha256"),
        ("member", "a.en", "line 2, column member"),
        ("member", None, "line 2, column member: Field required"),
        ("extra", "1", "line 2, column extra"),
        (None, None, "lists no archive; its columns are corpus, pairs, url"),
    ],
)
def test_a_bad_table_is_named_with_line_and_column(tmp_path, column, value, message):
    row = {key: cell for key, cell in {**ROW, column: value}.items() if cell is not None}
    cells = [row.values()] if column else []
    content = "".join("\t".join(line) + "\n" for line in [row.keys(), *cells])
    (tmp_path / "table.tsv").write_text(content)
    with pytest.raises(PruneError, match=rf"table\.tsv.*{message}"):
        read_table(tmp_path / "table.tsv")


def test_two_archives_of_one_name_are_refused(tmp_path):
    rows = [Archive.model_validate(ROW), Archive.model_validate({**ROW, "corpus": "b", "sha256": "1" * 64})]
    write_table(tmp_path / "table.tsv", rows)
    with pytest.raises(PruneError, match=r"two archives are called a\.tgz; rename one"):
        read_table(tmp_path / "table.tsv")
