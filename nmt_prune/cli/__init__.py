"""The ``nmt-prune`` command."""

from collections.abc import Callable
from functools import wraps
from math import isfinite
from typing import Annotated, Any, NoReturn

import typer

from nmt_prune import __version__
from nmt_prune.cli.analyse import analyse
from nmt_prune.cli.data import data
from nmt_prune.cli.distill import distill
from nmt_prune.cli.export import export
from nmt_prune.cli.inspect import compare, inspect
from nmt_prune.cli.mask import mask
from nmt_prune.cli.pack import pack, unpack
from nmt_prune.cli.plugin import list_entries, user_dir
from nmt_prune.cli.profile import profile
from nmt_prune.cli.prune import prune
from nmt_prune.cli.quantize import quantize
from nmt_prune.cli.report import report
from nmt_prune.cli.run import run
from nmt_prune.cli.score import score
from nmt_prune.cli.search import search
from nmt_prune.cli.shortlist import shortlist
from nmt_prune.cli.shrink import shrink
from nmt_prune.cli.stability import stability
from nmt_prune.cli.status import status
from nmt_prune.cli.streams import flushed_output, open_streams, say
from nmt_prune.cli.strip import average, strip
from nmt_prune.cli.ticket import ticket
from nmt_prune.cli.transfer import transfer
from nmt_prune.cli.translate import translate
from nmt_prune.cli.verify import verify
from nmt_prune.errors import PruneError, show_traceback
from nmt_prune.files import trouble

_OF_FAIRSEQ = ("torch", "fairseq", "fairseq_cli", "scipy")
"""What only translating packed models does without; commands import it when they need it."""


def _with_finite_numbers(command: Callable[..., None]) -> Callable[..., None]:
    """Refuses nan and inf, which comparisons let through, for any option."""

    @wraps(command)
    def checked(**options: Any) -> None:
        for name, value in options.items():
            if isinstance(value, float) and not isfinite(value):
                raise PruneError(f"--{name.replace('_', '-')} {value} is no finite number")
        command(**options)

    return checked


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"nmt-prune {__version__}")
        raise typer.Exit


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Prune neural translation models: fairseq-train --user-dir $(nmt-prune user-dir)",
)


@app.callback()
def _global_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


for command in (
    *(prune, run, status, data, distill, mask, ticket, search, inspect, profile, compare, stability, transfer),
    *(shrink, quantize, pack, unpack, strip, average, shortlist, translate, score, report, verify),
):
    app.command()(_with_finite_numbers(command))
app.add_typer(export, name="export")
app.add_typer(analyse, name="analyse")
app.command("user-dir")(user_dir)
app.command("list")(list_entries)


def main() -> None:
    """Runs the command line; a PruneError, what the system refuses, or a library that is not installed becomes one line
    on stderr and exit status 1.
    """
    open_streams()
    try:
        with flushed_output():
            app()
    except (PruneError, OSError) as error:
        _give_up(error, trouble(error) if isinstance(error, OSError) else str(error))
    except ModuleNotFoundError as error:
        if error.name not in _OF_FAIRSEQ:
            raise
        needed = (
            "scipy" if error.name == "scipy" else "'nmt-prune[fairseq]'"
        )  # which would replace a fairseq of the user's
        _give_up(error, f"{error.name} is not installed here; pip install {needed}")


def _give_up(error: Exception, line: str) -> NoReturn:
    show_traceback(error)
    say(f"nmt-prune: error: {line}")
    raise SystemExit(1) from None
