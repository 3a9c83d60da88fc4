"""Options that several commands share, and the types of what is given for them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from session.config import (
    MAX_FPS,
    MAX_KEEP_MIB,
    MAX_ROWS,
    MAX_SLOTS,
    MAX_THREADS,
    Limits,
    ServiceConfig,
)

MAX_HOURS = 87_600


def add_model(parser: argparse.ArgumentParser) -> None:
    """Which model, and where it works."""
    parser.add_argument(
        "--model",
        default="demo",
        metavar="DIR_OR_HUB_ID",
        help="a Qwen2.5-Omni directory; 'demo' is the built-in one (default)",
    )
    parser.add_argument("--sieve", metavar="DIR", help="a directory with CS2 weights")
    parser.add_argument(
        "--retention",
        type=share,
        metavar="SHARE",
        help="of the tokens to keep, in (0, 1] (default: the model's own)",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 ... (default cpu)")
    parser.add_argument(
        "--threads",
        type=count(MAX_THREADS),
        help="processor threads of the model (default: 1 for 'demo', else one a core)",
    )


def add_row(parser: argparse.ArgumentParser) -> None:
    """What every session begins with."""
    parser.add_argument(
        "--selector",
        type=text,
        metavar="NAME",
        help="what chooses the tokens (default: the model's sieve); docs/METHODS.md lists all",
    )
    parser.add_argument(
        "--fps",
        type=count(MAX_FPS),
        default=2,
        help="pictures a second looked at (default %(default)s)",
    )
    parser.add_argument(
        "--slots",
        type=count(MAX_SLOTS),
        default=512,
        help="tokens a session remembers at most (default %(default)s)",
    )


def add_sessions(parser: argparse.ArgumentParser, help: str) -> None:
    parser.add_argument(
        "--sessions", type=count(MAX_ROWS), default=8, help=f"{help} (default %(default)s)"
    )


def add_journal(parser: argparse.ArgumentParser) -> None:
    """Where the text of sessions is kept, and for how long."""
    parser.add_argument(
        "--journal",
        type=text,
        metavar="FILE|none",
        help="sessions, questions, answers and events as text; 'none' keeps them in memory while "
        "they last (default: a file of your own for each port, see docs/PRIVACY.md)",
    )
    parser.add_argument(
        "--keep-days", type=positive, default=30.0, help="in the journal (default %(default)g)"
    )
    parser.add_argument(
        "--keep-mib",
        type=count(MAX_KEEP_MIB),
        default=1_024,
        help="of the journal at most; the oldest goes first (default %(default)s)",
    )


def add_access(parser: argparse.ArgumentParser) -> None:
    """Who may come in."""
    add_key(parser)
    parser.add_argument(
        "--origin",
        action="append",
        default=[],
        type=origin,
        metavar="URL",
        help="another web site whose pages may use this service; may be given again",
    )
    parser.add_argument(
        "--questions-per-minute",
        type=count(60_000),
        default=Limits().questions_a_minute,
        help="in a session, and with a token (default %(default)s)",
    )


def add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="the key that tokens are signed with (default: the variable ECHOSIEVE_KEY)",
    )


def journal_of(given: str | None, port: int) -> str | None:
    """The file of the journal (XDG Base Directory Specification); None keeps nothing."""
    if given == "none" or (given is None and port == 0):
        return None
    if given is not None:
        return given
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return str(Path(state) / "echosieve" / f"journal-{port}.db")


def config_of(args: argparse.Namespace) -> ServiceConfig:
    """The configuration that `add_model` asked for. Raises ValueError."""
    return ServiceConfig(
        model=args.model,
        sieve=args.sieve,
        retention=args.retention,
        device=args.device,
        threads=args.threads,
    )


# --- Types ----------------------------------------------------------------------------------------


def count(most: int, least: int = 1) -> Callable[[str], int]:
    """The type of a whole number from `least` to `most`."""

    def whole(given: str) -> int:
        value = number(given)
        if not (value.is_integer() and least <= value <= most):
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {least} to {most}, not {given}"
            )
        return int(value)

    return whole


def share(given: str) -> float:
    value = number(given)
    if not 0.0 < value <= 1.0:
        raise argparse.ArgumentTypeError(f"must lie in (0, 1], not {given}")
    return value


def positive(given: str) -> float:
    value = number(given)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be more than 0, not {given}")
    return value


def hours(given: str) -> float:
    """How long a token holds."""
    value = positive(given)
    if value > MAX_HOURS:
        raise argparse.ArgumentTypeError(f"must be at most {MAX_HOURS} (ten years), not {given}")
    return value


def text(given: str) -> str:
    try:
        given.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("must be UTF-8 text") from None
    return given


def origin(given: str) -> str:
    """As browsers write it in the header Origin (RFC 6454, 6.2): a scheme, a host, no path."""
    parts = urlsplit(text(given))
    if parts.scheme not in ("http", "https") or given != f"{parts.scheme}://{parts.netloc}":
        raise argparse.ArgumentTypeError(
            f"must be like https://that.site or http://that.site:8000, without a path, not {given}"
        )
    return given.lower()


def number(given: str) -> float:
    try:
        return float(given)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {given!r}") from None
