"""The command `visavis`: arguments go in, an exit code comes out.

0: done; 1: the work failed; 2: bad usage or bad input. An error is a line or two on stderr.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import TypeAlias

from live.errors import SettingsError, VisavisError

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What `add_to` of a command's module is given."""

COMMANDS = {
    "serve": "run the server and the web client",
    "render": "run the same pipeline over a file",
    "avatar": "list, add, show and remove avatars",
    "consent": "grant, show, check and revoke consents to show a face",
    "audit": "show and check the log of what was done with whose face",
    "verify": "tell whether a picture or film was made here",
    "models": "show, fetch, make and compare the networks",
    "bench": "run the benchmarks",
    "doctor": "say what this machine can do and what is missing",
    "token": "make, revoke and read access tokens",
    "config": "show the settings in force, or an example file",
}
"""Each command's module in `live.commands` and its line in `visavis --help`.

Only the module of the command that is run is imported, so that each can import what it needs.
"""

DONE, FAILED, MISUSED = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    args = _parser(words).parse_args(words)
    try:
        code: int = args.run(args)
    except VisavisError as error:
        return _complain(str(error), code_of(error))
    except KeyboardInterrupt:
        return _complain("interrupted", FAILED)
    except BrokenPipeError:  # the reader of our output has gone: `visavis … | head`
        sys.stderr.close()
        return FAILED
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        return _complain(f"{what}{error.strerror or error}", FAILED)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return _complain(
            f"a mistake in Visavis: {type(error).__name__} at {place.filename}:{place.lineno}:"
            f" {error}\nplease report it with the command that you ran",
            FAILED,
        )
    return code


def code_of(error: VisavisError) -> int:
    """2 where the input was at fault, 1 where the work failed."""
    at_fault = isinstance(error, SettingsError) or error.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return MISUSED if at_fault else FAILED


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser, with the options of the command that `words` name and a line for each other."""
    parser = argparse.ArgumentParser(
        prog="visavis", description="A real-time avatar server: camera in, live avatar out."
    )
    parser.add_argument("--version", action="version", version=f"visavis {version('visavis')}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    wanted = next((word for word in words if not word.startswith("-")), None)
    for name, line in COMMANDS.items():
        if name == wanted:
            module = importlib.import_module(f"live.commands.{name}")
            module.add_to(subparsers)
        else:
            subparsers.add_parser(name, help=line)
    return parser


def _complain(text: str, code: int) -> int:
    print(f"visavis: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
