"""Downloads that resume, retry and try the next address, against a server that misbehaves."""

import time
from email.utils import formatdate
from itertools import cycle

import pytest

from data_prep.download import http as transfer
from data_prep.download.http import Patience
from nmt_prune.errors import PruneError
from tests.data_prep.downloading import CONTENT, IMPATIENT, NOWHERE, PATH, ranges
from tests.data_prep.mirror import Fault


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
