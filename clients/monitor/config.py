"""A monitor's configuration: TOML, checked as a whole. See docs/MONITOR.md for every key."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal, get_args
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
from pydantic_core import ErrorDetails, PydanticCustomError

from clients.addresses import watchable
from clients.monitor.lines import line_of
from clients.monitor.misfits import CLOCK, Misfit, misfits
from clients.mqtt.settings import (
    BrokerSettings,
    Place,
    SecretFile,
    SecretVariable,
    tls_context,
)
from clients.mqtt.topics import NAME, PREFIX
from clients.sdk.errors import EchoSieveError
from clients.sdk.transport import checked
from session import wire
from session.wire import faults
from session.wire.watching import MAX_QUIET

HOST = re.compile(r"[^\s/:?#@\[\]]+")
SECRET = ("password", "secret", "token")
UNTOLD = ("url", "address", "host")  # a password may stand in what was meant for one
KINDS = ("room", "media", "bot")
FOLDER = "monitor"  # where none is given
PATTERNS = faults.PATTERNS | {
    NAME: "1 to 64 of the characters A-Z a-z 0-9 _ -",
    PREFIX: "one to four names of the characters A-Z a-z 0-9 _ -, with / between them",
}
SECRETS = "; a secret does not stand here: name a file or a variable of the environment that has it"

Name = Annotated[str, Field(pattern=NAME)]


class ConfigError(EchoSieveError):
    """A configuration that cannot be meant; the text names file, key and what would be right."""


class Table(BaseModel):
    """A table of the file: a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def keyed(key: str, said: str) -> PydanticCustomError:
    """An error about a key within what is being checked."""
    return PydanticCustomError("value_error", "{said}", {"said": said, "key": key})


class ServiceTable(Table):
    """`[service]`: the one that watches. Without a URL, that of the environment."""

    url: str | None = None
    token_file: SecretFile | None = None
    token_env: SecretVariable | None = None

    @field_validator("url")
    @classmethod
    def _is_one(cls, url: str | None) -> str | None:
        try:
            return None if url is None else checked(url)
        except ValueError as error:
            raise ValueError(str(error).replace(repr(url), "this")) from None


class QuietTable(wire.QuietHours):
    """An entry of `quiet`: what the service would refuse is an error, each where it stands."""

    @field_validator("start", "end")
    @classmethod
    def _is_of_the_day(cls, text: str) -> str:
        if not CLOCK.fullmatch(text):
            raise ValueError(f"a time of the day reads like 22:30, not {text!r}")
        return text

    @field_validator("zone")
    @classmethod
    def _is_known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"{zone!r} is no time zone: name one like Europe/Berlin, or UTC"
            ) from None
        return zone


class WatchTable(wire.WatchCreate):
    """`[[watch]]`: a standing query; `sources` are names, all of them where none is given. What the
    service would refuse in every session is an error here."""

    sources: list[Name] | None = Field(default=None, min_length=1)
    quiet: list[QuietTable] | None = Field(  # type: ignore[assignment]  # nobody adds to the list
        default=None, max_length=MAX_QUIET
    )

    @field_validator("query")
    @classmethod
    def _says_something(cls, query: str) -> str:
        if not any(character.isprintable() for character in query.strip()):
            raise ValueError("a watch must say what it waits for")
        return query

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
    secret_file: SecretFile | None = None
    secret_env: SecretVariable | None = None
    instruction: str | None = Field(default=None, max_length=wire.MAX_INSTRUCTION_CHARS)


SourceTable = Annotated[RoomSource | MediaSource | BotSource, Field(discriminator="kind")]


class BotsTable(Table):
    """`[bots]`: where bots connect to. Beyond loopback every bot must have a secret."""

    host: str = "127.0.0.1"
    port: int = Field(default=8090, ge=0, le=65_535)


class WebhookTable(Table):
    """`[[webhook]]`: gets every event and note as a signed POST."""

    url: str
    secret_file: SecretFile | None = None
    secret_env: SecretVariable | None = None
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

    @model_validator(mode="after")
    def _has_certificates(self, info: ValidationInfo) -> BrokerTable:
        """Where it is read from a file."""
        if info.context and (found := _unusable(self)):
            raise keyed(*found)
        return self


def _unusable(settings: BrokerSettings) -> tuple[str, str] | None:
    """The key of a certificate that cannot be used, and why."""
    try:
        tls_context(settings)
    except EchoSieveError as error:
        keys, _, said = str(error).partition(": ")
        return keys.split(", ")[0].removeprefix("mqtt."), said
    return None


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class MonitorConfig(Table):
    """The whole file. `folder` holds what the monitor must know after a restart, and its report."""

    folder: Place = Field(default=Path(FOLDER), validate_default=True)
    service: ServiceTable = ServiceTable()
    source: list[SourceTable] = Field(min_length=1, max_length=64)
    watch: list[WatchTable] = Field(default=[], max_length=64)
    notes: NotesTable | None = None
    mqtt: BrokerTable | None = None
    bots: BotsTable = BotsTable()
    webhook: list[WebhookTable] = []

    @field_validator("folder")
    @classmethod
    def _can_be_written_to(cls, folder: Path, info: ValidationInfo) -> Path:
        if info.context:
            check_folder(folder)
        return folder

    @model_validator(mode="after")
    def _fits_together(self) -> MonitorConfig:
        """The first that does not: `load` tells of all."""
        for keys, said in misfits(self.model_dump()):
            raise keyed(".".join(keys), said)
        return self

    def watches_of(self, source: str) -> list[wire.WatchCreate]:
        """The standing queries of one source."""
        return [w.settings for w in self.watch if w.sources is None or source in w.sources]

    def digest_of(self, source: str) -> str:
        """Another one where something else is to be set in the sessions of a source."""
        instruction = next(one.instruction for one in self.source if one.name == source)
        watches = [
            one.model_dump(mode="json", exclude_unset=True) for one in self.watches_of(source)
        ]
        notes = self.notes and self.notes.model_dump(mode="json")
        return hashlib.sha256(json.dumps([instruction, watches, notes]).encode()).hexdigest()


def _unusable_certificates(tables: Mapping[str, Any], base: Path) -> Iterator[Misfit]:
    """Each by itself, also where `[mqtt]` is wrong elsewhere."""
    mqtt = tables.get("mqtt")
    given = mqtt if isinstance(mqtt, dict) else {}
    files = {
        key: base / given[key]
        for key in ("ca_file", "cert_file", "key_file")
        if isinstance(given.get(key), str)
    }
    authority = {"ca_file": files.pop("ca_file", None)}
    for some in (authority, files):
        if any(some.values()) and (
            found := _unusable(BrokerSettings.model_construct(tls=True, **some))
        ):
            yield ["mqtt", found[0]], found[1]


def check_folder(folder: Path) -> None:
    """Whether it is there, or can be made, which is tried out of the way: to have the right to is
    not all it takes (`/proc`). Raises ValueError."""
    path = folder.absolute()
    there = next(place for place in (path, *path.parents) if os.path.lexists(place))
    try:
        with TemporaryDirectory(dir=there, prefix=".trial-") as trial:
            (Path(trial) / path.relative_to(there)).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"{folder} cannot be written to ({error.strerror})"
        told = what if there.is_dir() else f"{there} is no folder"
        raise ValueError(f"{told}: name one for what the monitor keeps, and its report") from None


def load(path: Path) -> MonitorConfig:
    """Raises ConfigError with everything that is wrong, a line each: also with the secrets, the
    certificates and the folder of this machine. Paths in the file count from where it lies."""
    try:
        text = path.read_text()
        tables = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    try:
        return _validated(tables, path.parent)
    except ValidationError as error:
        found = _complaints(text, tables, path.parent, error.errors(include_url=False))
        raise ConfigError("\n".join(f"{path}: {one}" for one in found)) from None


def _validated(tables: Mapping[str, Any], base: Path) -> MonitorConfig:
    """Raises ValidationError. By way of JSON, whose texts may be paths where types are strict: a
    number in quotes is none. A date, which JSON does not have, is nowhere right, and no text. The
    folder's default is written out, as it counts from `base` too."""
    as_json = json.dumps({"folder": FOLDER, **tables}, default=lambda date: [str(date)])
    return MonitorConfig.model_validate_json(as_json, strict=True, context={"base": base})


def _complaints(
    text: str, tables: Mapping[str, Any], base: Path, errors: list[ErrorDetails]
) -> list[str]:
    """Everything that is wrong, once each and by lines: the `errors` of the tables, and what does
    not fit together, which is looked for also where a table is wrong elsewhere."""
    found = [_complaint(one) for one in errors]
    for error in errors:
        if error["type"].startswith("union_tag_") and isinstance(error["input"], dict):
            found += _of_no_kind(error)
    found += [*misfits(tables), *_unusable_certificates(tables, base)]
    found.sort(key=lambda one: line_of(text, one[0]) or 0)
    return list(dict.fromkeys(f"{_where(text, keys)}: {said}" for keys, said in found))


def _of_no_kind(error: ErrorDetails) -> Iterator[Misfit]:
    """What would be wrong with a source, whichever kind is meant."""
    found: list[dict[tuple[object, ...], ErrorDetails]] = []
    for kind in get_args(get_args(SourceTable)[0]):
        try:
            kind.model_validate(error["input"])
        except ValidationError as errors:
            told = errors.errors(include_url=False)
            found.append({(*one["loc"], one["type"]): one for one in told})
    for key, one in found[0].items():
        keys = [*_keys(error)[:-1], *map(str, one["loc"])]
        if keys[-1] == "kind" or not all(key in others for others in found):
            continue
        if one["type"] == "extra_forbidden":
            yield keys, f"there is no such key{SECRETS if keys[-1] in SECRET else ''}"
        else:
            yield _complaint({**one, "loc": (*error["loc"], "kind", *one["loc"])})


def _complaint(error: ErrorDetails) -> Misfit:
    """The keys, what is wrong and what would be right."""
    keys = _keys(error)
    key = ".".join(keys)
    if error["type"] == "extra_forbidden":
        known = ", ".join(faults.fields_at(MonitorConfig, error["loc"][:-1]))
        secret = SECRETS if keys[-1] in SECRET else ""
        return keys, f"there is no such key; there are {known}{secret}"
    may_be_a_date = isinstance(error["input"], list)
    told = keys[-1] not in UNTOLD and not _is_table(keys) and not may_be_a_date
    said = _plain(error["type"], key) or faults.sentence(error, told=told, patterns=PATTERNS)
    tag = error.get("ctx", {}).get("tag")
    return keys, said + (f", not {tag!r}" if tag else "")


def _where(text: str, keys: list[str]) -> str:
    key, line = ".".join(keys), line_of(text, keys)
    return f"line {line}, {key}" if line else key


def _plain(kind: str, key: str) -> str | None:
    """In words of TOML, where others are of JSON."""
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
        case "model_type":
            return "must be a table: {key = value}"
        case _:
            return None


def _is_table(keys: list[str]) -> bool:
    """A whole one, in which anything may stand."""
    return keys[0] != "folder" and all(key.isdigit() for key in keys[1:])


def _keys(error: ErrorDetails) -> list[str]:
    """As in the file, where the kind of a source is no key, unless it is what is wrong."""
    keys = [str(part) for part in error["loc"]]
    if error["type"].startswith("union_tag_"):
        return [*keys, "kind"]
    if keys[:1] == ["source"]:
        del keys[2:3]
    within = error.get("ctx", {}).get("key")
    return keys + (within.split(".") if within else [])
