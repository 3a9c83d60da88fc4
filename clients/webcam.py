"""`echosieve webcam`: talk about what this machine's camera sees and its microphone hears."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from clients.feed import Feed
from clients.sdk.errors import EchoSieveError, MediaFailed, NotInstalled
from clients.service import add_service, client_of
from clients.signals import ran_to_its_end
from clients.talk import Talk, lines_of
from clients.together import until_first
from session import wire
from session.options import count, text

if TYPE_CHECKING:
    from clients.media import Media
    from clients.preview import Preview

NO_SCREEN = "there is no screen here: the preview is left out"
NO_DISPLAY = (
    "no window can be opened here (does $DISPLAY name a screen that is gone, or another's?): the "
    "preview is left out"
)
NO_WINDOWS = "this OpenCV was built without windows: the preview is left out"
DEVICES = "--list shows what there is; --no-camera and --no-microphone leave one out"
MOST_CAMERAS = 1_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_service(parser, "webcam")
    parser.add_argument(
        "--camera",
        type=count(MOST_CAMERAS, 0),
        default=0,
        metavar="N",
        help="its number (default 0)",
    )
    parser.add_argument("--no-camera", action="store_true", help="send sound only")
    parser.add_argument(
        "--microphone", default="default", metavar="NAME", help="a part of its name"
    )
    parser.add_argument("--no-microphone", action="store_true", help="send pictures only")
    parser.add_argument(
        "--ask",
        action="append",
        type=text,
        metavar="QUESTION",
        help="ask this and end; may be repeated",
    )
    parser.add_argument("--list", action="store_true", help="list cameras and microphones, and end")


def run(args: argparse.Namespace) -> int:
    """Raises EchoSieveError, ValueError for a URL that is none."""
    console = Console()
    if args.list:
        return list_devices(console)
    if not ran_to_its_end(converse(args, console)):
        console.print()
    return 0


def list_devices(console: Console) -> int:
    """Each kind by itself: a machine may have a camera and lack what microphones need."""
    from clients.media import cameras, microphones

    kinds: list[tuple[str, Callable[[], list[tuple[str, str]]]]] = [
        ("camera", cameras),
        ("microphone", microphones),
    ]
    for kind, devices in kinds:
        try:
            found = devices()
        except EchoSieveError as error:
            console.print(f"{kind}s: {escape(str(error))}", soft_wrap=True)
            continue
        for id, name in found or [("none", "this machine has none")]:
            console.print(f"{kind} {escape(id)}: {escape(name)}", highlight=False, soft_wrap=True)
    return 0


async def converse(args: argparse.Namespace, console: Console) -> None:
    """Send and talk until the questions, or the lines of the terminal, have come to an end."""
    try:
        media, preview = opened(args, console)
    except (MediaFailed, NotInstalled) as error:
        raise type(error)(f"{error} ({DEVICES})") from error

    def tell(text: str) -> None:
        console.print(f"[yellow]{escape(text)}[/]")

    async with AsyncExitStack() as stack:
        if preview:
            stack.callback(preview.close)  # last: until the camera stops it opens its window again
        client = await stack.enter_async_context(client_of(args))
        feed = await stack.enter_async_context(Feed(client, media, room=args.room, tell=tell))
        console.print(f"[dim]session {feed.session.id}; ask, or Ctrl-D to end[/]")
        talk = Talk(console, lambda: feed.session)
        words = ask_all(talk, args.ask) if args.ask else talk.hold(lines_of(sys.stdin))
        await until_first([words, feed.finished()], [follow(feed, preview)] if preview else [])


def opened(args: argparse.Namespace, console: Console) -> tuple[Media, Preview | None]:
    """Camera and microphone, and who shows what they see. Raises MediaFailed, NotInstalled."""
    from clients.media import Shown, webcam

    media = webcam(  # first: it says all that is missing
        camera=None if args.no_camera else args.camera,
        microphone=None if args.no_microphone else args.microphone,
    )
    preview = preview_of(console) if not args.no_camera and not args.ask else None
    return (Shown(media, preview.show) if preview else media), preview


async def ask_all(talk: Talk, questions: list[str]) -> None:
    for question in questions:
        await talk.ask(question)


async def follow(feed: Feed, preview: Preview) -> None:
    """Tell the preview what was kept, window by window."""
    async for event in feed.session.follow():
        if isinstance(event, wire.WindowIngested):
            preview.note(event.kept)


def preview_of(console: Console) -> Preview | None:
    """None, and a note, where nothing can be shown."""
    from clients.media import opencv

    cv2 = opencv()
    from clients import preview

    if not preview.has_screen():
        why = NO_SCREEN
    elif not preview.has_windows(cv2):
        why = NO_WINDOWS
    elif not preview.opens_windows():
        why = NO_DISPLAY
    else:
        return preview.Preview(cv2)
    console.print(f"[dim]{why}[/]")
    return None
