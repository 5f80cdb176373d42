from importlib.metadata import version

import pytest

from nmt_prune.cli import main


def test_the_version_is_that_which_is_installed(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["nmt-prune", "--version"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    assert capsys.readouterr().out == f"nmt-prune {version('nmt-prune')}\n"
