"""A configuration is taken whole, or refused with file, line, key and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.monitor.command import check_all, summary
from clients.monitor.config import ConfigError, MediaSource, MonitorConfig, load, located

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
            "line 17, watch.0: release <= threshold: 0.8 is above 0.7",
        ),
        (("threshold = 0.7", "release = 0.9"), "watch.0: release <= threshold: 0.9 is above 0.8"),
        (("threshold = 0.7", "min_s = 86401"), "line 19, watch.0.min_s: Input should be less than"),
        (('"a dog"', '" "'), "line 23, watch.1.query: a watch must say what it waits for"),
        (('"22:00"', '"24:00"'), "line 25, watch.1.quiet: a time of the day reads like 22:30, not"),
        (('"22:00"', '"7:00"'), "line 25, watch.1.quiet: quiet hours from 7:00 to 07:00 are empty"),
        (("Europe/Berlin", "Berlin"), "line 25, watch.1.quiet: 'Berlin' is no time zone"),
        (('"22:00"', "22"), "line 25, watch.1.quiet.0.start: Input should be a valid string"),
        (('kind = "count"', 'kind = "sum"'), "line 29, watch.2.kind: Input should be 'event' or"),
        (
            ('kind = "media"', 'kind = "tape"'),
            "line 13, source.1.kind: a source is one of the kinds room, media, bot (there is",
        ),
        (('kind = "media"\n', ""), "line 12, source.1.kind: a source is one of the kinds"),
        (('name = "yard"\n', ""), "line 12, source.1.name: this key must be there"),
        (('["yard"]\nquiet', "[]\nquiet"), "line 24, watch.1.sources: List should have at least 1"),
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
        (
            ("[mqtt]", "[mqtt]\nca_file = 'x'"),
            "line 35, mqtt: ca_file, cert_file and key_file need",
        ),
        (('host = "127.0.0.1"', 'host = "mqtt://b"'), "line 36, mqtt.host: a name or an address"),
        (('host = "127.0.0.1"', 'host = "b:1883"'), "line 36, mqtt.host: a name or an address"),
        (('host = "127.0.0.1"\n', ""), "line 35, mqtt.host: this key must be there"),
        (("[mqtt]", "[[mqtt]]"), "line 35, mqtt: this is a table, and there is one of it: [mqtt]"),
        (
            ("[notes]", "[notes"),
            "is not TOML: Expected ']' at the end of a table declaration (at l",
        ),
        (("[notes]", "[nots]"), "line 32, nots: there is no such key"),
        (("[service]", "[service]\ntoken_env = 'A'\ntoken_file = 'b'"), "line 4, service: give"),
        (("watch the door", "x" * 4_001), f"(there is '{'x' * 59}...)"),
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


@pytest.mark.parametrize("host", ["broker", "broker.local", "192.0.2.1", "2001:db8::1", "bücher"])
def test_a_host_alone_is_taken(tmp_path: Path, host: str) -> None:
    config = load(written(tmp_path, WHOLE.replace('127.0.0.1"\nprefix', f'{host}"\nprefix')))
    assert config.mqtt is not None
    assert config.mqtt.host == host


def test_a_table_that_must_be_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"monitor\.toml: source: there must be one: \[\[source\]\]"
    ):
        load(written(tmp_path, 'folder = "here"'))


def checked(path: Path) -> MonitorConfig:
    """As the command does it."""
    config = load(path)
    with located(path):
        check_all(config)
    return config


BOT = '[[source]]\nkind = "bot"\nname = "meeting"\n'
HOOK = '[[webhook]]\nurl = "https://example.org"\n'
OF_THIS_MACHINE = [
    (f'{WHOLE}username = "me"\npassword_env = "ES_NONE"\n', 39, "mqtt.password_env: the variable"),
    (f'{WHOLE}username = "me"\npassword_file = "x"\n', 39, "mqtt.password_file: "),
    (f'{WHOLE}tls = true\nca_file = "x"\n', 39, "mqtt.ca_file: "),
    (f'{WHOLE}tls = true\ncert_file = "x"\n', 39, "mqtt.cert_file, mqtt.key_file: "),
    (f'{BOT}[service]\ntoken_env = "ES_NONE"\n', 5, "service.token_env: the variable ES_NONE"),
    (f'{BOT}[service]\ntoken_file = "x"\n', 5, "service.token_file: "),
    (f'{BOT}{HOOK}secret_env = "ES_NONE"\n', 6, "webhook.0.secret_env: the variable ES_NONE"),
    (f'{BOT}{HOOK}secret_file = "x"\n', 6, "webhook.0.secret_file: "),
    (f'{BOT}secret_env = "ES_NONE"\n', 4, "source.0.secret_env: the variable ES_NONE"),
    (f'{BOT}secret_file = "x"\n', 4, "source.0.secret_file: "),
    (f'{BOT}[bots]\nhost = "0.0.0.0"\n', 1, "source.0: bots.host is 0.0.0.0"),
    (f'folder = "monitor.toml/x"\n{BOT}', 1, "folder: "),
]


@pytest.mark.parametrize(("text", "line", "said"), OF_THIS_MACHINE)
def test_what_only_this_machine_can_tell_is_told_with_file_line_and_key_too(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        checked(path)
    assert str(raised.value).startswith(f"{path}: line {line}, {said}")


def test_a_secret_that_is_there_passes_the_check_and_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ES_BROKER", "hush-hush")
    path = written(tmp_path, WHOLE + 'username = "me"\npassword_env = "ES_BROKER"\n')
    assert "hush" not in repr(checked(path))


SECRETS = [
    ("mqtt", 'password = "hush-hush"'),
    ("service", 'token = "hush-hush"'),
    ("mqtt", 'host = "mqtt://me:hush-hush@broker"'),
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
    host = 'host = "broker"\n' if table == "mqtt" and "host" not in lines else ""
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
