"""A configuration is taken whole, or refused with file, line, key and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.monitor.command import check_all, summary
from clients.monitor.config import ConfigError, MediaSource, load
from clients.sdk.errors import EchoSieveError

WHOLE = """
folder = "here"

[service]
url = "http://127.0.0.1:8080"

[[source]]
kind = "room"
name = "door"
instruction = "watch the door"

[[source]]
kind = "media"
name = "yard"
address = "rtsp://camera/yard"

[[watch]]
query = "a red circle appears"
threshold = 0.7
describe = true

[[watch]]
query = "a dog"
sources = ["yard"]
quiet = [{ start = "22:00", end = "07:00", zone = "Europe/Berlin" }]

[[watch]]
query = "red things"
kind = "count"
sources = ["yard"]

[notes]
every_s = 60

[mqtt]
host = "127.0.0.1"
prefix = "home/es"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "monitor.toml"
    path.write_text(text)
    return path


def test_a_whole_configuration_is_taken(tmp_path: Path) -> None:
    config = load(written(tmp_path, WHOLE))
    assert [watch.query for watch in config.watches_of("door")] == ["a red circle appears"]
    yard = config.watches_of("yard")
    assert [watch.query for watch in yard] == ["a red circle appears", "a dog", "red things"]
    assert [watch.kind for watch in yard] == ["event", "event", "count"]
    watch = config.watches_of("yard")[0]
    assert watch.model_fields_set == {"query", "threshold", "describe"}
    assert config.mqtt is not None
    assert config.mqtt.topics.available == "home/es/available"
    assert summary(config).startswith("watches door (room), yard (media); 3 standing queries")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("threshold = 0.7", "threshold = 7"), "line 19, watch.0.threshold: Input should be less"),
        (("threshold = 0.7", "treshold = 0.7"), "line 19, watch.0.treshold: there is no such key"),
        (
            ("threshold = 0.7", "threshold = 0.7\nrelease = 0.8"),
            "watch.0: release <= threshold: 0.8 is above 0.7",
        ),
        (("threshold = 0.7", "min_s = 86401"), "line 19, watch.0.min_s: Input should be less than"),
        (('"a dog"', '" "'), "line 23, watch.1.query: a watch must say what it waits for"),
        (('"22:00"', '"24:00"'), "line 25, watch.1.quiet: a time of the day reads like 22:30, not"),
        (('"22:00"', "22"), "line 25, watch.1.quiet.0.start: Input should be a valid string"),
        (('kind = "count"', 'kind = "sum"'), "line 29, watch.2.kind: Input should be 'event' or"),
        (('kind = "media"', 'kind = "tape"'), "'room', 'media', 'bot'"),
        (('name = "yard"', 'name = "the yard"'), "line 14, source.1.name"),
        (('["yard"]', '["cellar"]'), "line 24, watch.1.sources: no source is called 'cellar'"),
        (('name = "yard"', 'name = "door"'), "line 14, source.1.name: door stands more than once"),
        (('name = "door"', 'name = "door"\nroom = "#"'), "line 10, source.0.room: String should"),
        (("rtsp://camera", "rtps://camera"), "line 15, source.1.address: rtps:// is not known"),
        (("rtsp://camera", "rtsp://"), "line 15, source.1.address: the host is missing"),
        (("rtsp://camera", "rtsp://camera:port"), "line 15, source.1.address: this is no URL"),
        (("rtsp://camera", "udp://camera"), "line 15, source.1.address: the port is missing"),
        (("rtsp://camera/yard", "yard.mkv"), "yard.mkv; an address begins with one of rtsp://"),
        (("rtsp://camera/yard", "monitor.toml"), "line 15, source.1.address: "),
        (("http://127.0.0.1:8080", "127.0.0.1:8080"), "line 5, service.url: this is no URL"),
        (("[mqtt]", "[mqtt]\nca_file = 'x'"), "need tls = true"),
        (("[notes]", "[notes"), "is not TOML"),
        (("every_s = 60", "every_s = 1"), "notes.every_s: Input should be greater"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    path = written(tmp_path, WHOLE.replace(*change))
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert said in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_a_secret_that_is_missing_is_found_by_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, WHOLE + 'username = "me"\npassword_env = "ES_BROKER"\n')
    with pytest.raises(EchoSieveError, match="the variable ES_BROKER is not set"):
        check_all(load(path))
    monkeypatch.setenv("ES_BROKER", "hush-hush")
    config = load(path)
    check_all(config)
    assert "hush" not in repr(config)


def test_bots_beyond_loopback_need_a_secret(tmp_path: Path) -> None:
    text = '[[source]]\nkind = "bot"\nname = "meeting"\n[bots]\nhost = "0.0.0.0"\n'
    with pytest.raises(EchoSieveError, match="needs secret_file or secret_env"):
        check_all(load(written(tmp_path, text)))


SECRETS = [
    ("mqtt", 'password = "hush-hush"'),
    ("service", 'token = "hush-hush"'),
    ("service", 'url = "ftp://me:hush-hush@host"'),
    ("webhook", 'url = "hush-hush"\nsecret_env = "X"'),
    ("webhook", 'url = "http://["\nsecret_env = "X"'),
    ("source", 'kind = "media"\nname = "a"\naddress = "rtsp://me:hush-hush@:1/"'),
    ("source", 'kind = "bot"\nname = "a"\nsecret = "hush-hush"'),
]


@pytest.mark.parametrize(("table", "lines"), SECRETS)
def test_what_may_be_secret_is_not_shown(tmp_path: Path, table: str, lines: str) -> None:
    head = f"[[{table}]]" if table in ("webhook", "source") else f"[{table}]"
    start = '[[source]]\nkind = "room"\nname = "door"\n'
    host = 'host = "broker"\n' if table == "mqtt" else ""
    with pytest.raises(ConfigError) as raised:
        load(written(tmp_path, f"{start}{head}\n{host}{lines}\n"))
    assert "hush" not in str(raised.value)
    assert ": line " in str(raised.value)


def test_paths_count_from_where_the_file_lies(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    text = WHOLE.replace("rtsp://camera/yard", "inbox") + 'tls = true\nca_file = "ca.pem"\n'
    config = load(written(tmp_path, text))
    assert config.folder == tmp_path / "here"
    assert config.mqtt is not None
    assert config.mqtt.ca_file == tmp_path / "ca.pem"
    source = config.source[1]
    assert isinstance(source, MediaSource)
    assert source.address == str(tmp_path / "inbox")
