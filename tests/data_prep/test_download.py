"""Downloads that resume, retry, give up and refuse, against a server that misbehaves."""

import gzip
import hashlib
import re
import time
from email.utils import formatdate
from itertools import cycle
from pathlib import Path

import pytest

from data_prep import transfer
from data_prep.download import Remote, addresses, fetch_all
from data_prep.texts import Fetching
from data_prep.transfer import Patience
from nmt_prune.errors import PruneError

from .downloading import CONTENT, IMPATIENT, NOWHERE, PATH, ranges, remote, serving
from .mirror import Fault

URL = "https://www.statmt.org/wmt13/x.tgz"


@pytest.fixture
def mirror(tmp_path):
    with serving(tmp_path / "served") as mirror:
        yield mirror


@pytest.fixture
def fetch(tmp_path, mirror):
    """Fetches into ``tmp_path/cache`` from the mirror; the lines that it reported are in ``fetch.lines``."""

    def call(*remotes: Remote, patience: Patience = IMPATIENT, **settings) -> list[Path]:
        settings = {"mirrors": (mirror.address,), **settings}
        fetching = Fetching(tmp_path / "cache", call.lines.append, **settings)
        return fetch_all(remotes or (remote(),), tmp_path / "cache", fetching, patience)

    call.lines = []
    return call


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
    monkeypatch.setattr("data_prep.verification.file_digest", lambda path: pytest.fail("was computed again"))
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


def test_a_part_is_resumed_with_a_range(tmp_path, mirror, fetch):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/x.tgz.part").write_bytes(CONTENT[:200_000])
    assert fetch()[0].read_bytes() == CONTENT
    assert ranges(mirror) == ["bytes=200000-"]
    assert mirror.served() == 100_000


def test_a_complete_part_is_only_checked(tmp_path, mirror, fetch):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/x.tgz.part").write_bytes(CONTENT)
    assert fetch()[0].read_bytes() == CONTENT
    assert mirror.requests == []


@pytest.mark.parametrize("bad", [b"!" + CONTENT[1:], CONTENT + b"!"], ids=["other bytes", "too long"])
def test_a_part_that_is_whole_and_wrong_is_set_aside_and_downloaded_anew(tmp_path, mirror, fetch, bad):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/x.tgz.part").write_bytes(bad)
    assert fetch()[0].read_bytes() == CONTENT
    assert ranges(mirror) == [None]
    assert not (tmp_path / "cache/x.tgz.part.bad").exists()


@pytest.mark.parametrize(
    "fault",
    [Fault(close_after=100_000), Fault(close_after=100_000, no_length=True), Fault(stall_after=100_000)],
    ids=["truncated", "truncated without a length", "stalled"],
)
def test_a_broken_answer_is_continued_where_it_broke(mirror, fetch, fault):
    mirror.misbehave(PATH, fault)
    assert fetch()[0].read_bytes() == CONTENT
    first, second = ranges(mirror)
    assert first is None
    # What was received of the last block before a break may be lost.
    assert 100_000 - transfer._BLOCK <= int(second.removeprefix("bytes=").removesuffix("-")) <= 100_000


def test_progress_resets_the_count_of_failures(mirror, fetch):
    mirror.misbehave(PATH, *[Fault(close_after=transfer._BLOCK)] * 4)
    assert fetch()[0].read_bytes() == CONTENT
    assert len(mirror.requests) == 5 > IMPATIENT.attempts


def test_a_server_without_ranges_restarts_the_file(mirror, fetch):
    mirror.misbehave(PATH, Fault(close_after=200_000), Fault(no_ranges=True))
    assert fetch()[0].read_bytes() == CONTENT
    assert ranges(mirror)[1] is not None
    assert mirror.served() == 500_000


def test_a_server_without_ranges_that_always_breaks_is_given_up(mirror, fetch):
    """Beginning anew and breaking earlier or later is no progress."""
    mirror.faults[PATH] = cycle([Fault(close_after=size, no_ranges=True) for size in (200_000, 100_000)])
    with pytest.raises(PruneError, match=rf"{PATH}: broke off after \d+ of 300000 bytes .*, 3 times; http://127"):
        fetch()
    assert len(mirror.requests) == 3


def test_waits_grow_and_are_those_that_a_busy_server_asks_for(mirror, fetch):
    busy = Fault(status=503, headers={"Retry-After": "3600"})
    mirror.misbehave(PATH, busy, Fault(status=429))
    fetch(patience=Patience(attempts=3, pause=0.3, longest_pause=0.6))
    first, second, third = (request.began for request in mirror.requests)
    assert 0.6 <= second - first < 60, "an hour was asked for, and 0.6 seconds are the most"
    assert 0.3 <= third - second < 60, "half to all of twice the first pause"
    assert fetch.lines[0].endswith(f"{PATH}: HTTP 503 Service Unavailable; trying again in 0.6 s")


@pytest.mark.parametrize("value", [formatdate(time.time() + 3600, usegmt=True), "soon"], ids=["in an hour", "soon"])
def test_a_retry_after_is_a_date_or_nonsense(mirror, fetch, value):
    mirror.misbehave(PATH, Fault(status=503, headers={"Retry-After": value}))
    assert fetch()[0].read_bytes() == CONTENT


def test_errors_that_stay_name_the_file_all_addresses_and_what_to_do(tmp_path, mirror, fetch):
    mirror.misbehave(PATH, Fault(status=503), for_ever=True)
    with pytest.raises(PruneError) as error:
        fetch()
    message = str(error.value)
    for part in (
        "x.tgz cannot be downloaded",
        f"{mirror.address}{PATH}: HTTP 503 Service Unavailable, 3 times",
        f"{NOWHERE}{PATH}: Connection refused, 3 times",
        "--mirror URL",
        f"into {tmp_path / 'cache'} yourself and use --offline",
    ):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=404), "HTTP 404 Not Found"),
        (Fault(status=403), "HTTP 403 Forbidden"),
        (Fault(body=b"<html>Welcome</html>"), "its file has 20 bytes, not 300000"),
    ],
    ids=["404", "403", "another size"],
)
def test_the_next_address_is_tried_at_once(mirror, fetch, fault, reason):
    mirror.misbehave("/pub" + PATH, fault)
    fetch(mirrors=(f"{mirror.address}/pub", mirror.address))
    assert [request.path for request in mirror.requests] == ["/pub" + PATH, PATH]
    assert any(line.endswith(reason) for line in fetch.lines)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(body=CONTENT[:200_000]), "its file has at most 200000 bytes, not 300000"),
        (Fault(body=CONTENT[:250_000]), "its file has 250000 bytes, not 300000"),
        (Fault(range_from=0), "answers with another range than was asked for"),
    ],
    ids=["nothing there (416)", "another size", "another range"],
)
def test_a_range_that_is_not_served_leaves_the_part_to_the_next_address(tmp_path, mirror, fetch, fault, reason):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/x.tgz.part").write_bytes(CONTENT[:200_000])
    mirror.misbehave("/pub" + PATH, fault)
    (tmp_path / "served/pub/wmt13").mkdir(parents=True)
    (tmp_path / "served/pub/wmt13/x.tgz").write_bytes(CONTENT)
    assert fetch(mirrors=(f"{mirror.address}/pub", mirror.address))[0].read_bytes() == CONTENT
    assert any(line.endswith(reason) for line in fetch.lines)
    assert ranges(mirror) == ["bytes=200000-"] * 2


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

    def count(self: transfer.Transfer, address: str) -> None:
        now.add(self)
        most.append(len(now))
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
    monkeypatch.setattr("data_prep.progress._SECONDS_BETWEEN_LINES", 0.05)
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
