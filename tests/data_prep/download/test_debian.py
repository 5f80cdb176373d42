"""Fetching packages with an apt that works in a folder of its own."""

import shutil
import subprocess
from pathlib import Path

import pytest

from data_prep.download import debian
from nmt_prune.errors import PruneError
from tests.data_prep.debs import build_deb, needs_apt, needs_dpkg

FAILING_APT = """#!/bin/sh
echo "$@" >> "{log}"
echo "E: Unable to locate package thing" >&2
exit 100
"""

WORKING_APT = """#!/bin/sh
echo "$@" >> "{log}"
for word in "$@"; do last=$word; done
case "$*" in *download*) echo content > "${{last}}_2_all.deb" ;; esac
"""


@pytest.fixture
def fake_apt(tmp_path, monkeypatch):
    """Puts a script in the place of apt-get; returns the file that logs its arguments."""

    def install(script: str) -> Path:
        tools, log = tmp_path / "tools", tmp_path / "apt.log"
        tools.mkdir()
        for name in ("apt-get", "dpkg-deb"):
            (tools / name).write_text(script.format(log=log))
            (tools / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
        return log

    return install


def test_no_apt_points_to_the_corpora_that_need_none(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    with pytest.raises(PruneError, match="no apt-get here; use the corpus numbers or plain"):
        debian.fetch(["thing"], tmp_path, lambda line: None)


def test_a_failing_apt_is_quoted_and_leaves_nothing_behind(tmp_path, fake_apt):
    fake_apt(FAILING_APT)
    with pytest.raises(PruneError, match=r"cannot fetch thing \(Unable to locate package thing\); check the network"):
        debian.fetch(["thing"], tmp_path / "cache", lambda line: None)
    assert list((tmp_path / "cache").iterdir()) == []


def test_packages_are_fetched_once_in_the_order_asked_for(tmp_path, fake_apt):
    log = fake_apt(WORKING_APT)
    cache = tmp_path / "cache"
    archives = debian.fetch(["b", "a"], cache, lambda line: None)
    assert [archive.name for archive in archives] == ["b_2_all.deb", "a_2_all.deb"]
    commands = log.read_text().splitlines()
    assert len(commands) == 3
    assert all("--config-file" in command for command in commands)
    assert debian.fetch(["a"], cache, lambda line: None) == [cache / "a_2_all.deb"]
    assert len(log.read_text().splitlines()) == 3


@needs_dpkg
def test_members_are_the_files_of_the_package(tmp_path):
    archive = build_deb(tmp_path, "thing", {"usr/share/thing/a.txt": "ä\n"})
    assert list(debian.members(archive)) == [("./usr/share/thing/a.txt", "ä\n".encode())]


@needs_dpkg
@pytest.mark.parametrize("kept", [0, 0.7])
def test_a_damaged_package_is_named(tmp_path, kept):
    archive = build_deb(tmp_path, "thing", {"a.txt": "".join(str(number) for number in range(100_000))})
    content = archive.read_bytes()
    archive.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(PruneError, match=r"thing_1_all\.deb is damaged .*delete it"):
        list(debian.members(archive))


@needs_apt
@pytest.mark.slow
def test_the_configuration_moves_every_folder_that_apt_writes_to(tmp_path):
    configuration = tmp_path / "apt.conf"
    configuration.write_text(debian.configuration(tmp_path))
    dump = subprocess.run(
        ["apt-config", "--config-file", configuration, "dump"], capture_output=True, text=True, check=True
    ).stdout
    for setting in ("Dir::State::lists", "Dir::State::status", "Dir::Cache"):
        assert f'{setting} "{tmp_path}/' in dump
    assert "Update::Post-Invoke:: " not in dump
