"""The state of the source, told without touching the repository."""

import os
import subprocess
from pathlib import Path

import pytest

from nmt_prune import versions


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with the module in it; runs git there."""
    source = tmp_path / "versions.py"
    source.write_text("")
    monkeypatch.setattr(versions, "__file__", str(source))

    def git(*words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(["git", *who, *words], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    git("init", "--quiet")
    git("add", "versions.py")
    git("commit", "--quiet", "--message", "first")
    return git


def test_commit_and_changes(checkout, tmp_path):
    commit = checkout("rev-parse", "HEAD").strip()
    assert versions.git_state() == commit
    (tmp_path / "untracked").touch()
    assert versions.git_state() == commit
    (tmp_path / "versions.py").write_text("changed")
    assert versions.git_state() == f"{commit}-dirty"
    checkout("add", "versions.py")
    assert versions.git_state() == f"{commit}-dirty"


def test_a_kill_can_leave_no_lock_of_the_repository(checkout, tmp_path):
    """git writes its index anew where times have changed, if it may."""
    index: Path = tmp_path / ".git" / "index"
    before = index.read_bytes()
    os.utime(tmp_path / "versions.py", (0, 0))
    assert versions.git_state() is not None
    assert index.read_bytes() == before


def test_a_source_that_is_not_of_the_repository_has_no_commit(checkout, tmp_path):
    checkout("rm", "--cached", "--quiet", "versions.py")
    assert versions.git_state() is None
