"""A monitor's configuration: TOML, checked as a whole. See docs/MONITOR.md for every key."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from clients.addresses import watchable
from clients.monitor.lines import line_of
from clients.mqtt.settings import BrokerSettings, Place
from clients.mqtt.topics import NAME
from clients.sdk.errors import EchoSieveError
from clients.sdk.transport import checked
from session import wire

CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]?\d")
HOST = re.compile(r"[^\s/:?#@\[\]]+")
SECRET = ("password", "secret", "token")
UNTOLD = ("url", "address", "host")  # a password may stand in what was meant for one
KINDS = ("room", "media", "bot")
MOST_TOLD = 60  # characters of a value
SECRETS = "; a secret does not stand here: name a file or a variable of the environment that has it"

Name = Annotated[str, Field(pattern=NAME)]


class ConfigError(EchoSieveError):
    """A configuration that cannot be meant; the text names file, key and what would be right."""


class Table(BaseModel):
    """A table of the file: a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ServiceTable(Table):
    """`[service]`: the one that watches. Without a URL, that of the environment."""

    url: str | None = None
    token_file: Place | None = None
    token_env: str | None = None

    @field_validator("url")
    @classmethod
    def _is_one(cls, url: str | None) -> str | None:
        try:
            return None if url is None else checked(url)
        except ValueError:
            raise ValueError("this is no URL of a service: give http://host:port") from None

    @model_validator(mode="after")
    def _has_one_token(self) -> ServiceTable:
        if self.token_file and self.token_env:
            raise ValueError("give token_file or token_env, not both")
        return self


class WatchTable(wire.WatchCreate):
    """`[[watch]]`: a standing query; `sources` are names, all of them where none is given. What the
    service would refuse in every session is an error here."""

    sources: list[Name] | None = Field(default=None, min_length=1)

    @field_validator("query")
    @classmethod
    def _says_something(cls, query: str) -> str:
        if not any(character.isprintable() for character in query.strip()):
            raise ValueError("a watch must say what it waits for")
        return query

    @field_validator("quiet")
    @classmethod
    def _is_of_the_day(cls, quiet: list[wire.QuietHours] | None) -> list[wire.QuietHours] | None:
        for hours in quiet or []:
            _check_hours(hours)
        return quiet

    @model_validator(mode="after")
    def _begins_above_its_end(self) -> WatchTable:
        threshold = self.threshold or wire.THRESHOLD
        if self.release is not None and self.release > threshold:
            raise ValueError(f"release <= threshold: {self.release} is above {threshold}")
        return self

    @property
    def settings(self) -> wire.WatchCreate:
        given = self.model_dump(include=self.model_fields_set - {"sources"})
        return wire.WatchCreate.model_validate(given)


def _check_hours(hours: wire.QuietHours) -> None:
    """Raises ValueError."""
    for text in (hours.start, hours.end):
        if not CLOCK.fullmatch(text):
            raise ValueError(f"a time of the day reads like 22:30, not {text!r}")
    if minutes(hours.start) == minutes(hours.end):
        raise ValueError(f"quiet hours from {hours.start} to {hours.end} are empty")
    try:
        ZoneInfo(hours.zone)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"{hours.zone!r} is no time zone: name one like Europe/Berlin, or UTC"
        ) from None


def minutes(clock: str) -> int:
    """Of the day: of "22:30"."""
    hour, minute = clock.split(":")
    return 60 * int(hour) + int(minute)


class NotesTable(Table):
    """`[notes]`: a note every so often, and one for every event that is described."""

    every_s: float | None = Field(default=60.0, ge=10.0, le=3_600.0)
    events: bool = False


class RoomSource(Table):
    """Waits for whoever sends to a room by WHIP: a browser, OBS, ffmpeg."""

    kind: Literal["room"]
    name: Name
    room: str | None = Field(default=None, pattern=wire.ROOM)  # its name's, where none is given
    instruction: str | None = Field(default=None, max_length=wire.MAX_INSTRUCTION_CHARS)


class MediaSource(Table):
    """An address (RTSP, HLS, MPEG-TS), a file, a folder or a device."""

    kind: Literal["media"]
    name: Name
    address: str = Field(min_length=1)
    instruction: str | None = Field(default=None, max_length=wire.MAX_INSTRUCTION_CHARS)

    @field_validator("address")
    @classmethod
    def _can_be_watched(cls, address: str, info: ValidationInfo) -> str:
        return watchable(address, info.context["base"] if info.context else None)


class BotSource(Table):
    """A bot that delivers sound and pictures over a websocket, at `ws://host:port/NAME`."""

    kind: Literal["bot"]
    name: Name
    secret_file: Place | None = None
    secret_env: str | None = None
    instruction: str | None = Field(default=None, max_length=wire.MAX_INSTRUCTION_CHARS)

    @model_validator(mode="after")
    def _has_one_secret(self) -> BotSource:
        if self.secret_file and self.secret_env:
            raise ValueError("give secret_file or secret_env, not both")
        return self


SourceTable = Annotated[RoomSource | MediaSource | BotSource, Field(discriminator="kind")]


class BotsTable(Table):
    """`[bots]`: where bots connect to. Beyond loopback every bot must have a secret."""

    host: str = "127.0.0.1"
    port: int = Field(default=8090, ge=0, le=65_535)


class WebhookTable(Table):
    """`[[webhook]]`: gets every event and note as a signed POST."""

    url: str
    secret_file: Place | None = None
    secret_env: str | None = None
    give_up_s: float = Field(default=86_400.0, gt=0.0)

    @field_validator("url")
    @classmethod
    def _is_one(cls, url: str) -> str:
        try:
            httpx.URL(url)
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        except (httpx.InvalidURL, ValueError):
            usable = False
        if not usable:
            raise ValueError("this is no URL of a receiver: give https://host/path")
        return url

    @model_validator(mode="after")
    def _has_a_secret(self) -> WebhookTable:
        if (self.secret_file is None) == (self.secret_env is None):
            raise ValueError("give secret_file or secret_env: a report is signed with it")
        return self


class BrokerTable(BrokerSettings):
    """`[mqtt]`: the host alone, as nobody looks at what else a URL may hold."""

    @field_validator("host")
    @classmethod
    def _is_no_url(cls, host: str) -> str:
        if not HOST.fullmatch(host) and not _is_ip(host):
            raise ValueError(
                "a name or an address alone, such as broker.local; port and tls are keys of their "
                "own"
            )
        return host


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class MonitorConfig(Table):
    """The whole file. `folder` holds what the monitor must know after a restart, and its report."""

    folder: Place = Field(default=Path("monitor"), validate_default=True)
    service: ServiceTable = ServiceTable()
    source: list[SourceTable] = Field(min_length=1, max_length=64)
    watch: list[WatchTable] = Field(default=[], max_length=64)
    notes: NotesTable | None = None
    mqtt: BrokerTable | None = None
    bots: BotsTable = BotsTable()
    webhook: list[WebhookTable] = []

    @model_validator(mode="after")
    def _names_fit(self) -> MonitorConfig:
        names = [source.name for source in self.source]
        for place, name in enumerate(names):
            if name in names[:place]:
                raise ValueError(f"source.{place}.name: {name} stands more than once")
        for place, watch in enumerate(self.watch):
            for name in watch.sources or []:
                if name not in names:
                    known = ", ".join(names)
                    raise ValueError(
                        f"watch.{place}.sources: no source is called {name!r}: {known}"
                    )
        return self

    def watches_of(self, source: str) -> list[wire.WatchCreate]:
        """The standing queries of one source."""
        return [w.settings for w in self.watch if w.sources is None or source in w.sources]


def load(path: Path) -> MonitorConfig:
    """Raises ConfigError. Paths in the file count from where it lies."""
    try:
        text = path.read_text()
        tables = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    try:
        return MonitorConfig.model_validate(tables, context={"base": path.parent})
    except ValidationError as error:
        lines = [f"{path}: {_complaint(text, one)}" for one in error.errors(include_url=False)]
        raise ConfigError("\n".join(lines)) from None


@contextmanager
def located(path: Path) -> Iterator[None]:
    """What is found to be wrong with a value of this file, and is told with its key in front, is
    told with file and line too. Raises ConfigError."""
    try:
        yield
    except EchoSieveError as error:
        keys, _, said = str(error).partition(": ")
        line = line_of(path.read_text(), keys.split(", ")[0].split("."))
        where = f"line {line}, {keys}" if line else keys
        raise ConfigError(f"{path}: {where}: {said}") from error


def _complaint(text: str, error: Any) -> str:
    """Line, key, what is there and what would be right."""
    said = str(error["msg"]).removeprefix("Value error, ")
    keys = _keys(error)
    if not keys:  # of the whole: the key stands in front
        first, _, said = said.partition(": ")
        keys = first.split(".")
    key = ".".join(keys)
    line = line_of(text, keys)
    where = f"line {line}, {key}" if line else key
    if error["type"] == "extra_forbidden":
        return f"{where}: there is no such key{SECRETS if keys[-1] in SECRET else ''}"
    said = _plain(error["type"], key) or said
    found = error.get("ctx", {}).get("tag", error["input"])
    told = isinstance(found, str | int | float) and keys[-1] not in UNTOLD and not _is_table(keys)
    return f"{where}: {said}" + (f" (there is {shortened(found)})" if told else "")


def _plain(kind: str, key: str) -> str | None:
    """In words of a configuration, where pydantic's are of Python."""
    match kind:
        case "union_tag_invalid" | "union_tag_not_found":
            return f"a source is one of the kinds {', '.join(KINDS)}"
        case "missing" if "." not in key:
            return f"there must be one: [[{key}]]"
        case "missing":
            return "this key must be there"
        case "list_type" if "." not in key:
            return f"there may be several, so it stands in double brackets: [[{key}]]"
        case "model_type" if "." not in key:
            return f"this is a table, and there is one of it: [{key}]"
        case _:
            return None


def _is_table(keys: list[str]) -> bool:
    """A whole one, in which anything may stand."""
    return keys[0] != "folder" and all(key.isdigit() for key in keys[1:])


def shortened(found: object) -> str:
    """A value as it stands in the file, as long as fits a line."""
    whole = repr(found)
    return whole if len(whole) <= MOST_TOLD else f"{whole[:MOST_TOLD]}..."


def _keys(error: Any) -> list[str]:
    """As in the file, where the kind of a source is no key, unless it is what is wrong."""
    keys = [str(part) for part in error["loc"]]
    if error["type"].startswith("union_tag_"):
        return [*keys, "kind"]
    if keys[:1] == ["source"]:
        del keys[2:3]
    return keys
