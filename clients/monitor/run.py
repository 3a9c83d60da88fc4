"""The monitor: sources in, standing queries and notes on them, reports out."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from weakref import WeakValueDictionary

from clients.advice import CONFIGURATION, told
from clients.monitor.blanks import blanks_of, came_s
from clients.monitor.claim import claimed
from clients.monitor.config import (
    BotSource,
    MediaSource,
    MonitorConfig,
    NotesTable,
    RoomSource,
    check_folder,
)
from clients.monitor.ending import Ending
from clients.monitor.keeping import PATIENT, Keeper
from clients.monitor.reached import Reached
from clients.monitor.record import Entry, Gap, Record, Recorded, Stretch
from clients.monitor.report import write
from clients.monitor.roles import check_roles
from clients.monitor.sources import Bots, watch_media, watch_room
from clients.monitor.streams import FAREWELL_S, LAST_S, Streams, ended
from clients.monitor.webhook import Outbox, Webhook
from clients.mqtt.bridge import Bridge
from clients.mqtt.following import follow
from clients.mqtt.mapping import SourceState, Story, key_of
from clients.mqtt.places import Places
from clients.mqtt.settings import from_environment, from_file
from clients.mqtt.topics import Topics
from clients.mqtt.wanted import set_watches
from clients.sdk import Backoff, EchoSieve, Session
from clients.sdk.errors import EchoSieveError, Forbidden, NotFound, Unauthorized
from clients.together import Work, unless, until_first
from session import wire

log = logging.getLogger("echosieve")

LATE_S = 45.0  # that it is noticed late at most
PULSE_S = 1.0  # how far apart it is put on record that there is a monitor
TELL_S = 5.0  # for the broker to be told the rest of a session that is over
LAST_REPORTS_S = 10.0  # for webhooks, when everything has ended
NO_NOTES = NotesTable(every_s=None)


def secret_of(key: str, file: Path | None, variable: str | None) -> str | None:
    """Raises EchoSieveError where it is not where the configuration says."""
    if variable is not None:
        return from_environment(variable, f"{key}.secret_env")
    if file is not None:
        return from_file(file, f"{key}.secret_file")
    return None


class Monitor:
    """One run of a configuration; `run` ends when every source has come to its end, or is a file
    that cannot be read further: rooms, bots and cameras never are. A source that fails is tried
    again, and the others go on."""

    def __init__(
        self,
        config: MonitorConfig,
        *,
        client: EchoSieve | None = None,
        backoff: Backoff = PATIENT,
    ) -> None:
        """`backoff`: of a source that fails. Raises EchoSieveError for a secret or a file that
        cannot be used."""
        check(config)
        make_folder(config.folder)
        self._config = config
        self._client = client or client_of(config)
        self._backoff = backoff
        self._states: dict[str, SourceState] = {}  # by name
        self._clocks: dict[str, tuple[str, float]] = {}  # by name: session, how far it has come
        self._heard_at: dict[str, float] = {}  # by name: Unix seconds
        self._places = Places(config.folder / "places.db")  # of record and webhooks
        self._told = Places(config.folder / "mqtt.db") if config.mqtt else None  # of the broker
        self._telling: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._late: set[asyncio.Task[None]] = set()  # what the broker is told when it is back
        self._outbox = Outbox(config.folder / "outbox.db")
        self._record = Record(config.folder / "record.db")
        self._reached = Reached(config.folder / "reached.db")
        self._bridge = Bridge(config.mqtt, self._told) if config.mqtt and self._told else None
        self._webhooks = [
            Webhook(hook.url, secret or "", self._outbox, give_up_s=hook.give_up_s)
            for hook, secret in zip(config.webhook, webhook_secrets(config), strict=True)
        ]

    async def run(self) -> Path:
        """Returns the report's path. Raises EchoSieveError, also for a source of which nothing
        could be read; the report is written in any case but where the folder is another
        monitor's."""
        try:
            with claimed(self._config.folder):
                return await self._run()
        except sqlite3.Error as error:
            raise EchoSieveError(
                f"folder: {self._config.folder} cannot be used any longer ({error})"
            ) from error
        finally:
            await self._client.close()
            for file in (self._places, self._outbox, self._record, self._reached, self._told):
                if file is not None:
                    file.close()

    @property
    def report(self) -> Path:
        """Where the report is, once `run` is over."""
        return self._config.folder / "report.md"

    async def _run(self) -> Path:
        try:
            async with AsyncExitStack() as stack:
                if self._told is not None:
                    self._told.begin_as(self._places)
                if self._bridge is not None:
                    await stack.enter_async_context(self._bridge)
                await self._watch()
            self._record.run_ends()
        finally:
            path = write(self._record, self._config.folder)
        return path

    async def _watch(self) -> None:
        beside = [hook.run() for hook in self._webhooks]
        ends = [self._sources()]
        if self._bridge is not None:
            ends.append(self._bridge.ended())
        await until_first(ends, beside)

    async def _run_on(self) -> None:
        """Leave on record that there is a monitor."""
        run = self._record.run_begins(time.time())
        while True:
            await asyncio.sleep(PULSE_S)
            self._record.run_goes_on(run, time.time())

    async def _sources(self) -> None:
        away = await self._check_token()
        if away is not None:
            log.warning("%s; it is tried again", told(away, CONFIGURATION))
        streams = Streams(self._client, self, await self._left())
        ending = Ending(source.name for source in self._config.source)
        try:
            beside = [*self._watching(streams, ending), self._run_on()]
            if away is not None:
                beside.append(self._check_token_later())
            await until_first([ending.reached()], beside)
        finally:
            await streams.close()
            if self._late:
                await asyncio.wait(self._late, timeout=LAST_S)
            for telling in tuple(self._late):
                await ended(telling)
        await self._last_reports()
        ending.check(self.report)

    def _watching(self, streams: Streams, ending: Ending) -> Iterator[Work]:
        """What runs for the sources: one each, and one for all bots."""
        for source in self._config.source:
            keeper = self._keeper(source.name)
            if isinstance(source, RoomSource):
                yield watch_room(self._client, source, self, keeper)
            elif isinstance(source, MediaSource):
                yield watch_media(streams, source, keeper, self._reached, ending)
        if secrets := bot_secrets(self._config):
            yield Bots(streams, self._config.bots, secrets, self).run(self._told_port)

    def _keeper(self, name: str) -> Keeper:
        return Keeper(name, self, self._backoff)

    async def _check_token(self) -> EchoSieveError | None:
        """One that the service does not take, or that lacks roles for what is configured, is for
        the user; a service that is not there yet may come: why it is not. Raises Unauthorized,
        Forbidden."""
        try:
            await check_roles(self._client, self._config)
        except (Unauthorized, Forbidden):
            raise
        except EchoSieveError as error:
            return error
        return None

    async def _check_token_later(self) -> None:
        """Nobody may come to a room for hours. Raises Unauthorized, Forbidden."""
        failures = 1
        while await self._check_token() is not None:
            await asyncio.sleep(self._backoff.wait_s(failures))
            failures += 1

    def _told_port(self, port: int) -> None:
        log.warning("bots connect to ws://%s:%d/NAME", self._config.bots.host, port)

    async def _left(self) -> dict[str, str]:
        """Finish what an earlier run left, except what its own media goes on with: by name, the
        newest session of each."""
        own = {source.name for source in self._config.source if not isinstance(source, RoomSource)}
        heard = [place.story for place in self._places.unfinished()]
        untold = [place.story for place in self._told.unfinished()] if self._told else []
        newest = {story.name: story.session for story in heard if story.name in own}
        for story in {story.session: story for story in untold + heard}.values():
            if newest.get(story.name) != story.session:
                await self._keeper(story.name).run(partial(self._finish, story))
        return newest

    async def _finish(self, story: Story) -> None:
        """What is left to be told of a session that has ended. Raises EchoSieveError."""
        try:
            session = await self._client.sessions.get(story.session)
        except NotFound:
            log.warning("what was left of %s is gone with its session", story.name)
            for places in filter(None, (self._places, self._told)):
                places.forget(story.session)
            return
        if session.info.state != "ended":
            return  # whoever watches the room finds it
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self.follow(story.name, session, lambda: False)
        except TimeoutError:
            log.warning("%s: the end of session %s is not told yet", story.name, story.session)

    async def _last_reports(self) -> None:
        try:
            async with asyncio.timeout(LAST_REPORTS_S):
                for hook in self._webhooks:
                    await hook.emptied()
        except TimeoutError:
            log.warning("reports are left in %s/outbox.db for the next run", self._config.folder)

    # --- What the sources ask for ---

    def up(self, name: str) -> None:
        """The source is being watched."""
        self._heard_at[name] = time.time()
        if name not in self._states or self._states[name].status == "down":
            self._record.up(name, time.time())
            self._turn(name, SourceState(status="up", since=time.time()))

    def down(self, name: str, reason: str) -> None:
        """It is not, until it is `up`, since the last that was heard of it: whoever sends to a
        service that was killed notices it late."""
        now = time.time()
        since = max(self._heard_at.get(name, now), now - LATE_S)
        session, clock_s = self._clocks.get(name, (None, None))
        self._record.down(Gap(name, session, clock_s, since, None, reason))
        if name not in self._states or self._states[name].status == "up":
            self._turn(name, SourceState(status="down", since=since, reason=reason))

    def _turn(self, name: str, state: SourceState) -> None:
        if state.status == "up" and name in self._states:
            log.warning("%s: is watched again", name)
        self._states[name] = state
        if self._bridge is not None:
            self._bridge.turn(name, state)

    async def prepare(self, name: str, session: Session) -> None:
        """Let the session be set as its source is configured, once: what somebody has set since
        stays for as long as the session goes on, unless the configuration is another by then. What
        an earlier one may have set, and this one does not, is taken away."""
        digest, before = self._config.digest_of(name), self._record.prepared_to(session.id)
        if before == digest:
            return
        source = next(source for source in self._config.source if source.name == name)
        if source.instruction is not None or before is not None:
            await session.update(instruction=source.instruction)
        await set_watches(session, self._config.watches_of(name))
        if notes := self._config.notes or (before and NO_NOTES):
            await session.notes.set(notes.every_s, events=notes.events)
        self._record.prepared(session.id, digest)

    async def follow(self, name: str, session: Session, goes_on: Callable[[], bool]) -> None:
        """Tell everything of it: on record and to webhooks, and to the broker when that is there;
        neither waits for the other."""
        hearing = follow(self._places, Topics(), session, name, self._heard, goes_on)
        if self._bridge is None:
            await hearing
            return
        telling = asyncio.create_task(self._tell(self._bridge, name, session, goes_on))
        try:
            await unless(telling, hearing)
            await asyncio.wait({telling}, timeout=TELL_S)
            if telling.done():
                telling.result()
                return
        except BaseException:
            await ended(telling)
            raise
        log.warning("%s: the broker has not been told all of session %s yet", name, session.id)
        self._late.add(telling)
        telling.add_done_callback(self._settled)

    def _settled(self, telling: asyncio.Task[None]) -> None:
        self._late.discard(telling)
        if not telling.cancelled() and (failure := telling.exception()) is not None:
            log.warning("the broker is not told all of a session: %s", failure)

    async def _tell(
        self, bridge: Bridge, name: str, session: Session, goes_on: Callable[[], bool]
    ) -> None:
        """The broker; after what it had not been told of the session before."""
        async with self._telling.setdefault(session.id, asyncio.Lock()):
            await bridge.follow(session, name, goes_on)

    async def _heard(
        self, before: Story, story: Story, number: int | None, event: wire.Event
    ) -> None:
        match event:
            case wire.SessionCreated() | wire.SessionReopened():
                self._record.begins(story.name, story.session)
            case wire.WindowIngested() | wire.WindowSkipped():
                self._window(story, event)
            case wire.WatchUnanswered():
                log.warning(
                    "%s: the model cannot judge %r (asked as %r): word it otherwise",
                    story.name,
                    event.query,
                    event.question,
                )
        if not isinstance(event, Recorded):
            return
        self._record.add(Entry(story.name, story.session, time.time(), event))
        delivery = key_of(story.session, number, event)
        body = report_of(story, delivery, event)
        for hook in self._webhooks:
            hook.put(delivery, body)

    def _window(self, story: Story, event: wire.WindowIngested | wire.WindowSkipped) -> None:
        self._heard_at[story.name] = time.time()
        self._clocks[story.name] = (story.session, event.end_s)
        came = came_s(story, event)
        self._reached.window(story.name, story.session, event.start_s, event.end_s, came)
        self._record.watched(Stretch(story.name, story.session, event.start_s, event.end_s))
        for blank in blanks_of(story, event):
            self._record.blank(blank)


def report_of(story: Story, delivery: str, event: Recorded) -> bytes:
    """What a webhook gets."""
    report = {
        "delivery": delivery,
        "source": story.name,
        "session": story.session,
        "event": event.model_dump(mode="json", exclude={"kept"}),
    }
    return json.dumps(report).encode()


def client_of(config: MonitorConfig) -> EchoSieve:
    """Raises EchoSieveError."""
    return EchoSieve(config.service.url, token_of(config))


def token_of(config: MonitorConfig) -> str | None:
    """Raises EchoSieveError."""
    service = config.service
    if service.token_env is not None:
        return from_environment(service.token_env, "service.token_env")
    if service.token_file is not None:
        return from_file(service.token_file, "service.token_file")
    return None


def bot_secrets(config: MonitorConfig) -> dict[str, str | None]:
    """Of all bots, by name. Raises EchoSieveError."""
    return {
        source.name: secret_of(f"source.{place}", source.secret_file, source.secret_env)
        for place, source in enumerate(config.source)
        if isinstance(source, BotSource)
    }


def webhook_secrets(config: MonitorConfig) -> Sequence[str | None]:
    return [
        secret_of(f"webhook.{place}", hook.secret_file, hook.secret_env)
        for place, hook in enumerate(config.webhook)
    ]


def check(config: MonitorConfig) -> None:
    """What only this machine can tell, and may have changed since the configuration was read.
    Raises EchoSieveError with the key in front."""
    try:
        check_folder(config.folder)
    except ValueError as error:
        raise EchoSieveError(f"folder: {error}") from None
    token_of(config)
    webhook_secrets(config)
    bot_secrets(config)


def make_folder(folder: Path) -> None:
    """For its owner alone, where it is not there yet. Raises EchoSieveError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EchoSieveError(f"folder: {folder} cannot be made ({error.strerror})") from error
