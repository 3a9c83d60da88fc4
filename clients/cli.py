"""The command line: echosieve serve | token | demo | ask | webcam | watch | monitor | bench | eval
| report | train.

Everything heavy is imported by the command that needs it, so that `--help` is instant. Bad usage
exits with 2; a failure with 1 and one line that says what was wrong.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, get_args

from session import wire
from session.config import Keep, Limits
from session.options import (
    add_access,
    add_journal,
    add_key,
    add_model,
    add_row,
    add_sessions,
    config_of,
    count,
    hours,
    journal_of,
    positive,
    text,
)

if TYPE_CHECKING:
    from socket import socket

    from session.config import ServiceConfig
    from session.engine.loading import Loaded
    from stream.source import FileSource

Command = Callable[[argparse.Namespace], int]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
KEY_WRITTEN = (
    "echosieve: the key is in {0}: keep it secret, as who has it can make every token; "
    "`echosieve serve --key-file {0}` asks for tokens, `echosieve token --key-file {0}` makes them"
)
MAX_SEED = 2**31 - 1

# A module with `add_arguments` and `run`, and what `--help` says of it.
CLIENTS = {
    "webcam": ("clients.webcam", "talk about what the camera sees"),
    "watch": ("clients.watching", "watch a camera, a channel, files"),
    "monitor": ("clients.monitor.command", "watch for hours and report"),
}
BENCHES = {
    "prefill": ("sieve.eval.prefill", "reading a clip: full against sieved"),
    "live": ("session.bench.live", "the service: ingest, first token, memory, sessions"),
    "soak": ("session.bench.soak", "the service for long: what comes and goes leaves nothing"),
    "watches": ("session.bench.watches", "standing queries: what they cost, what they find"),
    "monitor": ("clients.monitor.bench.command", "scripted events, to a broker that is killed"),
}


class CommandError(Exception):
    """A failure that the user can do something about; the text says what."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script. Exits with 0, 1 (failure) or 2 (bad usage)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Threads of the model that wait must not spin: they share the machine with the decoders.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        args = build_parser(given).parse_args(given)
        sys.exit(args.carry_out(args))
    except KeyboardInterrupt:
        sys.exit(130)
    except CommandError as error:
        fail(str(error))
    except MemoryError:
        fail("there is not enough memory for this")
    except ModuleNotFoundError as error:
        extra = "monitor" if given[:1] == ["monitor"] else "serve"
        fail(f"the module {error.name} is missing: pip install 'echosieve[{extra}]'")


def fail(message: str) -> NoReturn:
    print(f"echosieve: {message}", file=sys.stderr)
    sys.exit(1)


# --- Commands -------------------------------------------------------------------------------------


def serve(args: argparse.Namespace) -> None:
    key = key_of(args)
    if args.host not in LOOPBACK and key is None:
        raise CommandError(
            f"on {args.host} everyone who reaches this machine could watch and ask: that takes a "
            "key. Make one by `echosieve token --new-key FILE` and add --key-file FILE"
        )
    journal = journal_of(args.journal, args.port)
    config, loaded = service_of(args)
    config = replace(
        config,
        journal=journal,
        keep=Keep(days=args.keep_days, mib=args.keep_mib),
        key=key,
        origins=tuple(args.origin),
        hosts=config.hosts if key is None else ("*",),  # who has no token gets nothing by any name
        limits=replace(config.limits, questions_a_minute=args.questions_per_minute),
    )
    from session.app import create_app
    from session.server import run, url_of

    listener = listener_of(args, journal)
    print(f"EchoSieve is on {url_of(listener)} (model: {args.model})", flush=True)
    run(create_app(config, loaded), listener)


def listener_of(args: argparse.Namespace, journal: str | None) -> socket:
    """The service's socket, when its journal can be used too. Raises CommandError; of a service
    that runs already, which has both, for the socket."""
    from session.journal.journal import JournalError, probe
    from session.server import ServeError, bound

    try:
        listener = bound(args.host, args.port)
    except ServeError as error:
        raise CommandError(str(error)) from error
    try:
        if journal is not None:
            probe(journal)
    except JournalError as error:
        listener.close()
        raise CommandError(str(error)) from error
    return listener


def key_of(args: argparse.Namespace) -> bytes | None:
    """The key of the service, if it has one."""
    from session.auth import KeyUnfit, read_key

    try:
        return read_key(args.key_file)
    except KeyUnfit as error:
        raise CommandError(f"the key {args.key_file or 'ECHOSIEVE_KEY'}: {error}") from error
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{args.key_file} is no key: `echosieve token --new-key FILE` makes one"
        ) from error
    except FileNotFoundError as error:
        raise CommandError(
            f"there is no key file {args.key_file}: make one by `echosieve token --new-key "
            f"{args.key_file}`, or give the file of the key that the service has"
        ) from error
    except OSError as error:
        raise CommandError(
            f"the key file {args.key_file} cannot be read: {reason_of(error)}"
        ) from error


def token(args: argparse.Namespace) -> None:
    """Print a token, or write a new key."""
    from session.auth import Gate, new_token, write_key

    if args.new_key is not None:
        try:
            write_key(args.new_key)
        except FileExistsError as error:
            raise CommandError(
                f"no key was written: {args.new_key} exists already, and a key is not overwritten; "
                f"sign with that one by --key-file {args.new_key}, or name a new file"
            ) from error
        except FileNotFoundError as error:
            raise CommandError(
                f"no key was written: there is no folder {args.new_key.parent}: make it first, or "
                "name a file in one that is there"
            ) from error
        except OSError as error:
            raise CommandError(
                f"no key was written to {args.new_key}: {reason_of(error)}"
            ) from error
        print(KEY_WRITTEN.format(args.new_key), file=sys.stderr)
        return
    key = key_of(args)
    if key is None:
        raise CommandError("there is no key to sign with: give --key-file or set ECHOSIEVE_KEY")
    print(new_token(Gate(key), args.role or ["watch"], args.session, args.hours * 3_600, args.name))


def reason_of(error: OSError) -> str:
    """What is wrong with a file, and what would be right."""
    match error:
        case IsADirectoryError():
            return "this is a folder: name a file"
        case NotADirectoryError():
            return "a part of its path is a file, not a folder"
        case PermissionError():
            return "you have no right to: it takes a file that is yours"
        case _:
            return error.strerror or str(error)


def demo(args: argparse.Namespace) -> int:
    config, loaded = service_of(args)
    from session.demo import run

    return run(config, loaded, seed=args.seed, as_json=args.json)


def ask(args: argparse.Namespace) -> None:
    from stream.source import FileSource, MediaError

    # First of all: what cannot be asked should not cost the loading of a model.
    check_question(args.question)
    try:
        source = FileSource(args.file, fps=args.fps)
        if args.at is not None:
            source.check_reaches(args.at)
        _ask_about(source, args)
    except MediaError as error:
        raise CommandError(str(error)) from error


def check_question(question: str) -> None:
    """Raises CommandError for a question that no model takes."""
    longest = Limits().question_chars
    if not question.strip():
        raise CommandError("the question is empty: give it some text")
    if len(question) > longest:
        raise CommandError(f"a question holds at most {longest} characters, not {len(question)}")


def _ask_about(source: FileSource, args: argparse.Namespace) -> None:
    config, loaded = service_of(args)
    from session.offline import run
    from sieve.errors import SieveError

    try:
        run(source, args.question, config, loaded, at_s=args.at, as_json=args.json)
    except SieveError as error:
        raise CommandError(str(error)) from error


def service_of(args: argparse.Namespace) -> tuple[ServiceConfig, Loaded]:
    """The configuration and the loaded engine that the arguments ask for."""
    from session.engine.loading import load_engine
    from sieve.errors import SieveError

    try:
        config = replace(
            config_of(args),
            selector=args.selector,
            fps=args.fps,
            slots=args.slots,
            rows=args.sessions,
        )
        loaded = load_engine(config)
    except (ValueError, SieveError) as error:
        raise CommandError(str(error)) from error
    if loaded.note:
        print(f"echosieve: note: {loaded.note}", file=sys.stderr)
    return config, loaded


# --- Arguments ------------------------------------------------------------------------------------


def build_parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; arguments that live beside heavy code are added only when they are asked for."""
    parser = argparse.ArgumentParser(
        prog="echosieve", description="Ask a live stream: camera and microphone in, answers out."
    )
    parser.add_argument("--version", action="version", version=f"echosieve {version('echosieve')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="run the service and its page"))
    _add_token(commands.add_parser("token", help="issue a token for the service, or make a key"))
    _add_demo(commands.add_parser("demo", help="stream a scene over WebRTC and ask about it"))
    _add_ask(commands.add_parser("ask", help="ask about a media file"))
    for name, (place, told) in CLIENTS.items():
        client = commands.add_parser(name, help=told)
        if given[:1] == [name]:
            module = import_module(place)
            module.add_arguments(client)
            client.set_defaults(carry_out=of_a_client(name, module.run))
    _add_bench(commands.add_parser("bench", help="measure on this machine"), given)
    _add_eval(
        commands.add_parser("eval", help="run the evaluation's studies, or a --benchmark"), given
    )
    _add_report(commands.add_parser("report", help="write docs/RESULTS.md"), given)
    train = commands.add_parser("train", help="train a sieve for a model, or the built-in one")
    if given[:1] == ["train"]:
        from sieve.train import add_arguments, run

        _add_lazily(train, add_arguments, run)
    return parser


def _add_serve(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_row(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address (default %(default)s)")
    parser.add_argument(
        "--port", type=count(65_535, 0), default=8080, help="port (default %(default)s)"
    )
    add_sessions(parser, "at most so many at once")
    add_journal(parser)
    add_access(parser)
    parser.set_defaults(carry_out=serve)


def _add_token(parser: argparse.ArgumentParser) -> None:
    add_key(parser)
    parser.add_argument(
        "--role",
        action="append",
        choices=get_args(wire.Role),
        help="what the bearer may do; may be given again (default watch)",
    )
    parser.add_argument(
        "--session",
        type=session_id,
        default=wire.ALL_SESSIONS,
        metavar="ID",
        help="in which session (default: in all)",
    )
    parser.add_argument(
        "--hours", type=hours, default=24.0, help="how long it holds, up to ten years (default 24)"
    )
    parser.add_argument(
        "--name", type=text, help="of its holder, for whom what is done in a minute is counted"
    )
    parser.add_argument(
        "--new-key", type=Path, metavar="FILE", help="write a new key there, and nothing else"
    )
    parser.set_defaults(carry_out=token)


def _add_demo(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_row(parser)
    parser.add_argument(
        "--seed", type=count(MAX_SEED, 0), default=7, help="of the scene (default %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.set_defaults(carry_out=demo, sessions=2)


def _add_ask(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=of_here, metavar="FILE", help="any video or sound file")
    parser.add_argument("question", type=text, metavar="QUESTION", help="what to ask about it")
    parser.add_argument(
        "--at", type=positive, metavar="SECONDS", help="ask at this moment, not at the end"
    )
    parser.add_argument("--json", action="store_true", help="print the whole answer as JSON")
    add_model(parser)
    add_row(parser)
    parser.set_defaults(carry_out=ask, sessions=1)


def session_id(given: str) -> str:
    """Raises ArgumentTypeError for what can be the id of no session."""
    from clients.sdk.transport import segment

    try:
        return given if given == wire.ALL_SESSIONS else segment(given)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def of_here(file: str) -> Path:
    """Raises ArgumentTypeError for an address, which would not be found as a path."""
    if "://" in file:
        raise argparse.ArgumentTypeError(
            "this is an address: `echosieve watch URL --ask QUESTION` asks about one, and this "
            "command about a file of this machine"
        )
    return Path(file)


def of_a_client(name: str, run: Command) -> Command:
    """A command of a client of the service, whose errors are for the user."""
    from clients.advice import OF_COMMANDS, OPTIONS, told
    from clients.sdk.errors import EchoSieveError

    def guarded(args: argparse.Namespace) -> int:
        try:
            return run(args)
        except (EchoSieveError, ValueError) as error:
            raise CommandError(told(error, OF_COMMANDS.get(name, OPTIONS))) from error

    return guarded


def _add_bench(parser: argparse.ArgumentParser, given: Sequence[str]) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind, (place, told) in BENCHES.items():
        bench = kinds.add_parser(kind, help=told)
        if given[:2] == ["bench", kind]:
            module = import_module(place)
            _add_lazily(bench, module.add_arguments, with_writable_out(module.run))


def _add_eval(parser: argparse.ArgumentParser, given: Sequence[str]) -> None:
    if given[:1] == ["eval"] and any(word.startswith("--benchmark") for word in given):
        from sieve.eval.benchmarks.command import add_arguments, run_benchmark

        _add_lazily(parser, add_arguments, with_writable_out(run_benchmark))
    elif given[:1] == ["eval"]:
        from sieve.eval.suite import add_arguments as add_suite
        from sieve.eval.suite import run as run_suite

        _add_lazily(parser, add_suite, run_suite)


def _add_report(parser: argparse.ArgumentParser, given: Sequence[str]) -> None:
    if given[:1] == ["report"]:
        from sieve.eval.report.page import add_arguments, run

        _add_lazily(parser, add_arguments, run)


def with_writable_out(run: Command) -> Command:
    """Minutes of measuring should not end at a file that cannot be written. Raises OSError."""

    def checked(args: argparse.Namespace) -> int:
        if args.out is not None:
            args.out.parent.mkdir(parents=True, exist_ok=True)
            args.out.open("a").close()
        return run(args)

    return checked


def _add_lazily(
    parser: argparse.ArgumentParser,
    add: Callable[[argparse.ArgumentParser], None],
    run: Command,
) -> None:
    """Arguments and command of a module of the sieve, whose errors are for the user."""
    from sieve.errors import SieveError

    def guarded(args: argparse.Namespace) -> int:
        try:
            return run(args)
        except (SieveError, OSError) as error:
            raise CommandError(str(error)) from error

    add(parser)
    parser.set_defaults(carry_out=guarded)


if __name__ == "__main__":
    main()
