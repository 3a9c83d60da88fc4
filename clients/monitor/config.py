"""A monitor's configuration: TOML, checked as a whole. See docs/MONITOR.md for every key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

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

from clients.monitor.addresses import watchable
from clients.mqtt.settings import BrokerSettings, Place
from clients.mqtt.topics import NAME
from clients.sdk.errors import EchoSieveError
from clients.sdk.transport import checked
from session import wire

CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]?\d")
SECRET = ("password", "secret", "token")
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


class WatchTable(wire.WatchCreate):
    """`[[watch]]`: a standing query; `sources` are names, all of them where none is given. What the
    service would refuse in every session is an error here."""

    sources: list[Name] | None = None

    @field_validator("query")
    @classmethod
    def _says_something(cls, query: str) -> str:
        if not any(character.isprintable() for character in query.strip()):
            raise ValueError("a watch must say what it waits for")
        return query

    @field_validator("quiet")
    @classmethod
    def _is_of_the_day(cls, quiet: list[wire.QuietHours] | None) -> list[wire.QuietHours] | None:
        for text in (text for hours in quiet or [] for text in (hours.start, hours.end)):
            if not CLOCK.fullmatch(text):
                raise ValueError(f"a time of the day reads like 22:30, not {text!r}")
        return quiet

    @model_validator(mode="after")
    def _begins_above_its_end(self) -> WatchTable:
        if self.release is not None and self.release > (self.threshold or 1.0):
            raise ValueError(f"release <= threshold: {self.release} is above {self.threshold}")
        return self

    @property
    def settings(self) -> wire.WatchCreate:
        given = self.model_dump(include=self.model_fields_set - {"sources"})
        return wire.WatchCreate.model_validate(given)


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


class MonitorConfig(Table):
    """The whole file. `folder` holds what the monitor must know after a restart, and its report."""

    folder: Place = Field(default=Path("monitor"), validate_default=True)
    service: ServiceTable = ServiceTable()
    source: list[SourceTable] = Field(min_length=1, max_length=64)
    watch: list[WatchTable] = Field(default=[], max_length=64)
    notes: NotesTable | None = None
    mqtt: BrokerSettings | None = None
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


def _complaint(text: str, error: Any) -> str:
    """Line, key, what is there and what would be right."""
    said = str(error["msg"]).removeprefix("Value error, ")
    keys = _keys(error["loc"])
    if not keys:  # of the whole: the key stands in front
        first, _, said = said.partition(": ")
        keys = first.split(".")
    key = ".".join(keys)
    line = _line_of(text, keys)
    where = f"line {line}, {key}" if line else key
    if error["type"] == "extra_forbidden":
        return f"{where}: there is no such key{SECRETS if keys[-1] in SECRET else ''}"
    found = error["input"]
    told = isinstance(found, str | int | float) and keys[-1] not in ("url", "address")
    return f"{where}: {said}" + (f" (there is {found!r})" if told else "")


def _keys(loc: tuple[str | int, ...]) -> list[str]:
    """As in the file, where the kind of a source is no key."""
    keys = [str(part) for part in loc]
    if keys[:1] == ["source"]:
        del keys[2:3]
    return keys


def _line_of(text: str, keys: list[str]) -> int | None:
    """The line of the key, or of the one that it stands in, as far as plain TOML tells: within the
    n-th table of its name."""
    table, rest = keys[0], keys[1:]
    place = int(rest.pop(0)) if rest and rest[0].isdigit() else 0
    heads = [
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.replace(" ", "").startswith((f"[[{table}]]", f"[{table}]", f"{table}="))
    ]
    if place >= len(heads):
        return None
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines()[heads[place] :], heads[place] + 1):
        if line.lstrip().startswith("["):
            break
        lines.setdefault(line.split("=")[0].strip(), number)
    inmost = (key for key in reversed(rest) if key in lines)
    return next((lines[key] for key in inmost), heads[place])
