"""Downloads: what is fetched, what is refused, and what is said of it."""

import gzip
import hashlib
import re
import threading
from pathlib import Path

import pytest

from data_prep.download import http as transfer
from data_prep.download.files import Remote, addresses
from nmt_prune.errors import PruneError
from tests.data_prep.downloading import CONTENT, PATH, ranges, remote
from tests.data_prep.mirror import Fault

URL = "https://www.statmt.org/wmt13/x.tgz"


def test_a_mirror_replaces_scheme_and_host_and_comes_first():
    assert addresses(URL, ["http://a/", "https://b/pub"]) == [
        "http://a/wmt13/x.tgz",
        "https://b/pub/wmt13/x.tgz",
        URL,
    ]
    with pytest.raises(PruneError, match="--mirror b/pub is not an address such as https"):
        addresses(URL, ["b/pub"])


def test_a_file_is_downloaded_once_and_its_digest_computed_once(tmp_path, mirror, fetch, monkeypatch):
    (path,) = fetch()
    assert path == tmp_path / "cache/x.tgz"
    assert path.read_bytes() == CONTENT
    assert sorted(file.name for file in path.parent.iterdir()) == [".x.tgz.lock", "x.tgz", "x.tgz.sha256"]
    monkeypatch.setattr("data_prep.download.verification.file_digest", lambda path: pytest.fail("was computed again"))
    assert fetch(offline=True) == [path]
    assert len(mirror.requests) == 1


def test_a_file_that_changed_after_it_was_checked_is_checked_again(fetch):
    (path,) = fetch()
    path.write_bytes(b"!" + CONTENT[1:])
    with pytest.raises(PruneError, match=rf"x\.tgz has SHA-256 [0-9a-f]{{64}}, not {remote().sha256}: .* delete it"):
        fetch()
    path.write_bytes(b"!")
    with pytest.raises(PruneError, match=r"x\.tgz has 1 bytes, not 300000: .* delete it"):
        fetch()


def test_a_file_that_the_user_put_there_is_checked_and_used(tmp_path, mirror, fetch):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/x.tgz").write_bytes(CONTENT)
    assert fetch(offline=True) == [tmp_path / "cache/x.tgz"]
    assert fetch.lines == ["x.tgz: computing its SHA-256"]
    assert mirror.requests == []


def test_offline_names_every_missing_file_with_size_address_and_folder(tmp_path, mirror, fetch):
    other = Remote("y.tar", "https://www.statmt.org/y.tar", 7, "0" * 64)
    with pytest.raises(PruneError) as error:
        fetch(remote(url=URL), other, offline=True)
    for part in ("--offline", str(tmp_path / "cache"), f"x.tgz (300000 bytes, from {URL})", "y.tar (7 bytes"):
        assert part in str(error.value)
    assert mirror.requests == []


WRONG = b"!" + CONTENT[1:]


def test_other_bytes_are_refused_kept_and_not_tried_again(tmp_path, mirror, fetch):
    mirror.misbehave(PATH, Fault(body=WRONG))
    with pytest.raises(PruneError) as error:
        fetch()
    assert f"300000 bytes with SHA-256 {hashlib.sha256(WRONG).hexdigest()}, not 300000 with" in str(error.value)
    assert "kept as x.tgz.part.bad" in str(error.value)
    assert (tmp_path / "cache/x.tgz.part.bad").read_bytes() == WRONG
    assert not (tmp_path / "cache/x.tgz").exists()
    assert fetch()[0].read_bytes() == CONTENT
    assert ranges(mirror) == [None, None]


def test_a_body_that_is_longer_than_announced_is_refused(mirror, fetch):
    mirror.misbehave(PATH, Fault(body=CONTENT * 20, no_length=True))
    with pytest.raises(PruneError, match=r"bytes with SHA-256 [0-9a-f]+, not 300000 with"):
        fetch()
    assert mirror.served() < len(CONTENT) * 20


def test_a_content_encoding_is_not_undone(tmp_path, mirror, fetch):
    packed = gzip.compress(CONTENT)
    (tmp_path / "served/wmt13/x.tgz").write_bytes(packed)
    mirror.misbehave(PATH, Fault(headers={"Content-Encoding": "gzip"}), for_ever=True)
    assert fetch(remote(packed))[0].read_bytes() == packed


def test_a_file_that_fails_does_not_keep_the_others_away(tmp_path, mirror, fetch):
    files = [remote(name=f"{index}.tgz") for index in range(3)]
    broken = remote(name="broken.tgz", url=f"{mirror.address}/nothing")
    with pytest.raises(PruneError, match=r"broken\.tgz cannot be downloaded \(.*HTTP 404"):
        fetch(broken, *files, downloads=2)
    assert all((tmp_path / "cache" / file.name).read_bytes() == CONTENT for file in files)


@pytest.mark.parametrize("downloads", [1, 3])
def test_no_more_files_at_once_than_wanted(mirror, fetch, monkeypatch, downloads):
    now, most, take_from = set(), [], transfer.Transfer.take_from
    together = threading.Barrier(downloads)

    def count(self: transfer.Transfer, address: str) -> None:
        now.add(self)
        most.append(len(now))
        if len(most) <= downloads:
            together.wait(timeout=30)
        take_from(self, address)
        now.remove(self)

    monkeypatch.setattr(transfer.Transfer, "take_from", count)
    mirror.misbehave(PATH, Fault(pause=0.01), for_ever=True)
    fetch(*(remote(name=f"{index}.tgz") for index in range(4)), downloads=downloads)
    assert max(most) == downloads


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(tmp_path, fetch):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/x.tgz.part").symlink_to("/dev/full")
    with pytest.raises(PruneError, match=r"x\.tgz\.part cannot be written: No space left on device; free some space"):
        fetch()


def test_lines_tell_how_far_a_file_is(monkeypatch, mirror, fetch):
    monkeypatch.setattr("nmt_prune.pace.SECONDS_BETWEEN_LINES", 0.05)
    mirror.misbehave(PATH, Fault(pause=0.02))
    fetch()
    assert any(line.startswith("x.tgz: ") and line.endswith(" left") for line in fetch.lines)
    assert fetch.lines[-1] == "x.tgz: 300000 bytes, SHA-256 as published"


def test_a_cache_that_cannot_be_written_to_is_named(tmp_path, fetch):
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(PruneError, match=r"cache cannot be written to: File exists; choose another --cache"):
        fetch()


def test_bars_and_the_lines_above_them_are_shown_on_a_terminal(monkeypatch, capsys, mirror, fetch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    mirror.misbehave(PATH, Fault(pause=0.02))
    fetch(mirrors=(f"{mirror.address}/pub", mirror.address))
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert re.search(r"x\.tgz ━+.* [\d.]+/300\.0 kB [\d.]+ [kM]B/s 0:00:\d\d", shown)
    assert f"\rx.tgz: {mirror.address}/pub{PATH}: HTTP 404 Not Found\n" in shown
    assert fetch.lines == []
