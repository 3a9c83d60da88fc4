"""`echosieve watch`: let the service watch an address, a file, a folder or a device."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from clients.addresses import watchable
from clients.feed import PASSING, Feed, Tell
from clients.sdk.client import EchoSieve, takes_questions
from clients.sdk.errors import (
    AnswerCut,
    Conflict,
    EchoSieveError,
    Forbidden,
    MediaFailed,
    NotFound,
)
from clients.service import add_service, client_of
from clients.signals import ran_to_its_end
from clients.talk import Talk
from clients.together import until_first
from session import wire
from session.options import positive, text

if TYPE_CHECKING:
    from clients.media import Media

EVERY_S = 10.0
REST_S = 3.0  # longer than a file takes to follow on another
RESTING = "every file here has been watched: asking goes on with the next that comes, Ctrl-C ends"

More = Callable[[], Awaitable[None]]
# The feed comes back, into this session or a new one.
AWAY = (AnswerCut, Conflict, NotFound, *PASSING)


ROLES = (
    "Where the service asks for a token: the role publish is enough to send; with watch, what is "
    "seen is told here as well; --ask takes publish and ask."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = ROLES
    parser.add_argument(
        "source",
        metavar="URL|FILE|FOLDER|DEVICE",
        help="rtsp://, http:// (HLS too), tcp://, udp://; a media file; a folder; /dev/video0",
    )
    parser.add_argument(
        "--wait", action="store_true", help="also for a folder in which there is no media yet"
    )
    add_service(parser, "watch")
    parser.add_argument("--instruction", metavar="TEXT", help="what to watch for")
    parser.add_argument(
        "--ask",
        action="append",
        default=[],
        type=text,
        metavar="QUESTION",
        help="ask this again and again",
    )
    parser.add_argument(
        "--every",
        type=positive,
        metavar="SECONDS",
        help=f"how often --ask is asked (default {EVERY_S:g})",
    )


def run(args: argparse.Namespace) -> int:
    """Raises EchoSieveError, ValueError for what cannot be watched."""
    check(args.source, wait=args.wait)
    if args.every is not None and not args.ask:
        raise ValueError("--every says how often --ask is asked, which is missing: --ask QUESTION")
    ran_to_its_end(watch(args, Console()))
    return 0


def check(source: str, *, wait: bool) -> None:
    """Whether it can be watched. Raises ValueError, MediaFailed; both say what would be right."""
    from clients.media import holds_media

    if not source:
        raise ValueError(
            "nothing is named that could be watched: a URL, a file, a folder, a device"
        )
    folder = Path(watchable(source, None))
    if folder.is_dir() and not wait and not holds_media(folder):
        raise MediaFailed(
            f"{folder}: there is no media file in this folder: name one with recordings, or add "
            "--wait to watch those that will come"
        )


async def watch(args: argparse.Namespace, console: Console) -> None:
    """Until the source ends. Raises EchoSieveError, before anything is sent where what is to be
    asked may not be."""
    from clients.media import shown

    def tell(text: str) -> None:
        console.print(f"[yellow]{escape(text)}[/]")

    async with client_of(args) as client, AsyncExitStack() as sending:
        media: Media = args.source
        more: More = always
        if args.ask:
            await check_asking(client)
        if is_folder(args.source):  # opened here: it may be empty, now or when it is sent again
            media, more = await resting(args.source, tell)
        feed = await sending.enter_async_context(Feed(client, media, room=args.room, tell=tell))
        where = f"{escape(shown(args.source))} is watched in session {feed.session.id}"
        console.print(f"[dim]{where}[/]", soft_wrap=True, highlight=False)
        if args.instruction:
            await feed.session.update(instruction=args.instruction)
        beside = [report(feed, console, tell)]
        if args.ask:
            talk = Talk(console, lambda: feed.session)
            beside.append(ask_often(talk, args.ask, args.every or EVERY_S, more))
        await until_first([feed.finished()], beside)


async def check_asking(client: EchoSieve) -> None:
    """Raises EchoSieveError where the token does not let one ask."""
    if not await takes_questions(client):
        raise EchoSieveError(
            "--ask takes a token with the roles publish and ask, and this one may not ask: "
            "`echosieve token --role publish --role ask` makes one that may"
        )


def is_folder(source: str) -> bool:
    return Path(source).is_dir()


async def resting(folder: str, tell: Tell) -> tuple[Media, More]:
    """The files of a folder, and what waits until there is more of them to ask about: it rests
    between the last and the next that comes. Raises MediaFailed, NotInstalled."""
    from clients.media import Noticed, opened

    media = Noticed(await opened(folder))

    async def more() -> None:
        try:
            async with asyncio.timeout(REST_S if media.came else None):
                await media.more()
        except TimeoutError:
            tell(RESTING)
            await media.more()

    return media, more


async def always() -> None:
    """There is more at any moment."""


async def ask_often(talk: Talk, questions: list[str], every_s: float, more: More = always) -> None:
    """All questions, every so many seconds while there is more to ask about, in one conversation
    each."""
    while True:
        await more()
        for question in questions:
            with suppress(*AWAY):
                await talk.ask(question)
        await asyncio.sleep(every_s)


async def report(feed: Feed, console: Console, tell: Tell) -> None:
    """A line for what should not go by unseen; one alone where the token may only publish."""
    try:
        await report_events(feed, console)
    except Forbidden:
        tell(
            "the token may publish only: sending goes on, and what is seen is not shown here; "
            "that takes the role watch as well"
        )


async def report_events(feed: Feed, console: Console) -> None:
    async for event in feed.session.follow():
        match event:
            case wire.WindowSkipped():
                console.print(f"[yellow]{event.start_s:.0f} s: skipped, {escape(event.reason)}[/]")
            case wire.Overload():
                console.print(f"[yellow]overload: {event.level}, {escape(event.reason)}[/]")
            case wire.ErrorEvent():
                console.print(f"[red]{escape(event.error.message)}[/]")
