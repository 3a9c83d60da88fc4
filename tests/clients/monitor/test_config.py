"""A configuration is taken whole, or refused with file, line, key and what would be right."""

from __future__ import annotations

from pathlib import Path

import certifi
import pytest

from clients.monitor.command import summary
from clients.monitor.config import ConfigError, MediaSource, load

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
        (
            ("threshold = 0.7", "threshold = 7"),
            "line 19, watch.0.threshold: must be less than 1, not 7",
        ),
        (
            ("threshold = 0.7", "treshold = 0.7"),
            "line 19, watch.0.treshold: there is no such key; there are within_s, threshold, ",
        ),
        (
            ("threshold = 0.7", "threshold = 0.7\nrelease = 0.8"),
            "line 17, watch.0: release <= threshold: 0.8 is above 0.7",
        ),
        (("threshold = 0.7", "release = 0.9"), "watch.0: release <= threshold: 0.9 is above 0.8"),
        (
            ("threshold = 0.7", "min_s = 86401"),
            "line 19, watch.0.min_s: must be at most 86400, not",
        ),
        (('"a dog"', '" "'), "line 23, watch.1.query: a watch must say what it waits for"),
        (
            ('"22:00"', '"24:00"'),
            "line 25, watch.1.quiet.0.start: a time of the day reads like 22:30",
        ),
        (
            ('"22:00"', '"7:00"'),
            "line 25, watch.1.quiet.0: quiet hours from 7:00 to 07:00 are empty",
        ),
        (("Europe/Berlin", "Berlin"), "line 25, watch.1.quiet.0.zone: 'Berlin' is no time"),
        (('"22:00"', "22"), "line 25, watch.1.quiet.0.start: must be a text, not 22"),
        (
            ('kind = "count"', 'kind = "sum"'),
            "line 29, watch.2.kind: must be 'event' or 'count', not",
        ),
        (
            ('kind = "media"', 'kind = "tape"'),
            "line 13, source.1.kind: a source is one of the kinds room, media, bot, not 'tape'",
        ),
        (('kind = "media"\n', ""), "line 12, source.1.kind: a source is one of the kinds"),
        (('name = "yard"\n', ""), "line 12, source.1.name: this key must be there"),
        (('["yard"]\nquiet', "[]\nquiet"), "line 24, watch.1.sources: must not be empty"),
        (
            ('name = "yard"', 'name = "the yard"'),
            "line 14, source.1.name: must be 1 to 64 of the characters A-Z a-z 0-9 _ -, not 'the y",
        ),
        (('"home/es"', '"home//es"'), "mqtt.prefix: must be one to four names of the characters"),
        (('["yard"]', '["cellar"]'), "line 24, watch.1.sources: no source is called 'cellar'"),
        (('name = "yard"', 'name = "door"'), "line 14, source.1.name: door stands more than once"),
        (('name = "door"', 'name = "door"\nroom = "#"'), "line 10, source.0.room: must be 1 to 6"),
        (("rtsp://camera", "rtps://camera"), "line 15, source.1.address: rtps:// is not known"),
        (("rtsp://camera", "rtsp://"), "line 15, source.1.address: the host is missing"),
        (("rtsp://camera", "rtsp://camera:port"), "line 15, source.1.address: this is no URL"),
        (("rtsp://camera", "udp://camera"), "line 15, source.1.address: the port is missing"),
        (("rtsp://camera/yard", "yard.mkv"), "yard.mkv; an address begins with one of rtsp://"),
        (("rtsp://camera/yard", "monitor.toml"), "line 15, source.1.address: "),
        (("http://127.0.0.1:8080", "127.0.0.1:8080"), "line 5, service.url: this is no URL"),
        (
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1"),
            "line 5, service.url: this leads too far: leave /v1 out",
        ),
        (
            ("http://127", "http://me:hush@127"),
            "line 5, service.url: this is no URL of a service, as",
        ),
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
        (
            ("[service]", "[service]\ntoken_env = 'PATH'\ntoken_file = '/etc/passwd'"),
            "line 4, service: give",
        ),
        (("watch the door", "x" * 4_001), "must have at most 4000 characters, not 4001"),
        (('"a red circle appears"', f"'{'x' * 501}'"), "at most 500 characters, not 501"),
        (
            ("quiet = [{", "quiet = [7, {"),
            "line 25, watch.1.quiet.0: must be a table: {key = value",
        ),
        (("every_s = 60", "every_s = 1"), "notes.every_s: must be at least 10, not 1"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    path = written(tmp_path, WHOLE.replace(*change))
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert said in str(raised.value)


def test_all_that_is_wrong_is_told_by_lines_also_in_a_source_of_no_kind(tmp_path: Path) -> None:
    changed = WHOLE.replace('kind = "media"', 'kind = "file"').replace('"yard"\n', '"yard 1"\n')
    changed = changed.replace('address = "rtsp', 'adress = "rtsp').replace("22:00", "24:00")
    with pytest.raises(ConfigError) as raised:
        load(written(tmp_path, changed))
    told = [
        line.removeprefix(f"{tmp_path}/monitor.toml: ") for line in str(raised.value).split("\n")
    ]
    assert told[0] == (
        "line 13, source.1.kind: a source is one of the kinds room, media, bot, not 'file'"
    )
    assert told[1].startswith("line 14, source.1.name: must be 1 to 64 of the characters")
    assert told[2] == "line 15, source.1.adress: there is no such key"
    assert told[3].startswith("line 24, watch.1.sources: no source is called 'yard'; there is ")
    assert told[4].startswith("line 25, watch.1.quiet.0.start: a time of the day")
    assert len(told) == 6


def test_a_source_of_no_kind_that_has_no_name_is_told_that_the_key_is_missing(
    tmp_path: Path,
) -> None:
    changed = WHOLE.replace('kind = "media"\nname = "yard"', 'nme = "yard"')
    with pytest.raises(ConfigError, match=r"source.1.name: this key must be there"):
        load(written(tmp_path, changed))


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


BOT = '[[source]]\nkind = "bot"\nname = "meeting"\n'
HOOK = '[[webhook]]\nurl = "https://example.org"\n'
OF_THIS_MACHINE = [
    (f'{WHOLE}username = "me"\npassword_env = "ES_NONE"\n', 39, "mqtt.password_env: the variable"),
    (f'{WHOLE}username = "me"\npassword_file = "x"\n', 39, "mqtt.password_file: "),
    (f'{WHOLE}tls = true\nca_file = "x"\n', 39, "mqtt.ca_file: "),
    (f'{WHOLE}tls = true\ncert_file = "x"\n', 39, "mqtt.cert_file: "),
    (f'{BOT}[service]\ntoken_env = "ES_NONE"\n', 5, "service.token_env: the variable ES_NONE"),
    (f'{BOT}[service]\ntoken_file = "x"\n', 5, "service.token_file: "),
    (f'{BOT}{HOOK}secret_env = "ES_NONE"\n', 6, "webhook.0.secret_env: the variable ES_NONE"),
    (f'{BOT}{HOOK}secret_file = "x"\n', 6, "webhook.0.secret_file: "),
    (f'{BOT}secret_env = "ES_NONE"\n', 4, "source.0.secret_env: the variable ES_NONE"),
    (f'{BOT}secret_file = "x"\n', 4, "source.0.secret_file: "),
    (f'{BOT}[bots]\nhost = "0.0.0.0"\n', 5, "bots.host: 0.0.0.0 is beyond loopback: the bot 'mee"),
    (f'folder = "monitor.toml/x"\n{BOT}', 1, "folder: "),
]


@pytest.mark.parametrize(("text", "line", "said"), OF_THIS_MACHINE)
def test_what_only_this_machine_can_tell_is_told_with_file_line_and_key_too(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}: line {line}, {said}")


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = """
folder = "monitor.toml/x"
[service]
token_env = "ES_NONE"
[[source]]
kind = "bot"
name = "meeting"
[[source]]
kind = "room"
name = "meeting"
[[webhook]]
url = "https://example.org"
secret_file = "no-secret"
[mqtt]
port = 0
password_file = "no-password"
[notes]
every_s = 1
"""
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        load(path)
    lines = str(raised.value).splitlines()
    for number, said in (
        (2, "folder: "),
        (4, "service.token_env: the variable ES_NONE is not set"),
        (10, "source.1.name: meeting stands more than once"),
        (13, f"webhook.0.secret_file: {tmp_path / 'no-secret'} cannot be read"),
        (14, "mqtt.host: this key must be there"),
        (15, "mqtt.port: must be at least 1, not 0"),
        (14, "mqtt: a password needs a username"),
        (16, f"mqtt.password_file: {tmp_path / 'no-password'} cannot be read"),
        (18, "notes.every_s: must be at least 10, not 1"),
    ):
        assert [line for line in lines if line.startswith(f"{path}: line {number}, {said}")], said
    assert len(lines) == 9


def test_what_does_not_fit_together_is_told_with_what_is_wrong_elsewhere(tmp_path: Path) -> None:
    text = f'{BOT}[bots]\nhost = "0.0.0.0"\n[[watch]]\nquery = "a"\nsources = ["yard"]\n'
    path = written(
        tmp_path, f'{text}[mqtt]\nhost = "a"\ntls = true\nca_file = "x"\n[notes]\nx = 1\n'
    )
    with pytest.raises(ConfigError) as raised:
        load(path)
    told = [line.removeprefix(f"{path}: ") for line in str(raised.value).splitlines()]
    assert [line.partition(":")[0] for line in sorted(told)] == [
        "line 12, mqtt.ca_file",
        "line 14, notes.x",
        "line 5, bots.host",
        "line 8, watch.0.sources",
    ]


def told(path: Path) -> list[str]:
    """Line and key of everything that is wrong."""
    with pytest.raises(ConfigError) as raised:
        load(path)
    lines = [line.removeprefix(f"{path}: line ") for line in str(raised.value).splitlines()]
    return sorted(
        (line.partition(":")[0] for line in lines), key=lambda one: int(one.split(",")[0])
    )


def test_what_does_not_fit_together_is_told_though_the_tables_are_wrong_elsewhere(
    tmp_path: Path,
) -> None:
    text = """[[source]]
kind = "bot"
name = "meeting"
instruction = 7
[[source]]
kind = "room"
name = "meeting"
[[watch]]
query = " "
sources = ["yard", "cellar"]
[bots]
host = "0.0.0.0"
port = -1
[mqtt]
port = 0
ca_file = "x"
cert_file = "y"
"""
    assert told(written(tmp_path, text)) == [
        "4, source.0.instruction",
        "7, source.1.name",
        "9, watch.0.query",
        "10, watch.0.sources",
        "10, watch.0.sources",
        "12, bots.host",
        "13, bots.port",
        "14, mqtt.host",
        "14, mqtt",
        "15, mqtt.port",
        "16, mqtt.ca_file",
        "17, mqtt.cert_file",
    ]


def test_what_contradicts_itself_within_a_table_is_told_though_its_keys_are_wrong(
    tmp_path: Path,
) -> None:
    text = """[service]
url = 7
token_file = "x"
token_env = "ES_NONE"
[[source]]
kind = "bot"
name = "the meeting"
secret_file = "x"
secret_env = "ES_NONE"
[[webhook]]
url = "no"
[[watch]]
query = " "
threshold = 0.3
release = 0.5
quiet = [{ start = "7:00", end = "07:00", zone = "Berlin" }]
[mqtt]
port = 0
password_file = "x"
key_file = "y"
"""
    assert told(written(tmp_path, text)) == [
        "1, service",
        "2, service.url",
        "3, service.token_file",
        "4, service.token_env",
        "5, source.0",
        "7, source.0.name",
        "8, source.0.secret_file",
        "9, source.0.secret_env",
        "10, webhook.0",
        "11, webhook.0.url",
        "12, watch.0",
        "13, watch.0.query",
        "16, watch.0.quiet.0.zone",
        "16, watch.0.quiet.0",
        "17, mqtt.host",
        *["17, mqtt"] * 3,
        "18, mqtt.port",
        "19, mqtt.password_file",
    ]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('[mqtt]\nhost = "a"\npassword_env = "PATH"', "mqtt: a password needs a username"),
        ("[[webhook]]\nurl = 'http://a'", "webhook.0: give secret_file or secret_env: a report"),
        ("[[watch]]\nquery = 'a'\nrelease = 0.9", "watch.0: release <= threshold: 0.9 is above"),
    ],
)
def test_what_contradicts_itself_is_told_once(tmp_path: Path, table: str, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"^\S+: line 4, {said}[^\n]*$"):
        load(written(tmp_path, f"{BOT}{table}\n"))


@pytest.mark.parametrize(
    "folder", ["/proc/x", "/proc", "/dev/null/x", "x" * 300, "here/" + "x" * 300]
)
def test_a_folder_that_cannot_be_made_is_told_and_nothing_is_left_of_the_trial(
    tmp_path: Path, folder: str
) -> None:
    path = written(tmp_path, f'folder = "{folder}"\n{BOT}')
    with pytest.raises(
        ConfigError, match=r"line 1, folder: .*: name one for what the monitor keeps"
    ):
        load(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_can_be_made_is_not_made_yet(tmp_path: Path) -> None:
    path = written(tmp_path, f'folder = "a/b"\n{BOT}')
    assert load(path).folder == tmp_path / "a" / "b"
    assert list(tmp_path.iterdir()) == [path]


def test_a_watch_is_not_said_to_be_of_no_source_where_a_source_has_no_name_yet(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, WHOLE.replace('name = "yard"\n', ""))
    assert told(path) == ["12, source.1.name"]


def test_everything_that_is_wrong_with_quiet_hours_is_told_at_once(tmp_path: Path) -> None:
    quiet = """quiet = [
  { start = "25:00", end = "7", zone = "Berlin" },
  { start = "07:00", end = "7:00" },
]"""
    before, after = WHOLE.split("quiet = [", 1)
    path = written(tmp_path, before + quiet + after.partition("]")[2])
    assert told(path) == [
        "25, watch.1.quiet.0.start",
        "25, watch.1.quiet.0.end",
        "25, watch.1.quiet.0.zone",
        "25, watch.1.quiet.1",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('port = "1883"', "line 37, mqtt.port: must be a whole number, not '1883'"),
        ('tls = "yes"', "line 37, mqtt.tls: must be true or false, not 'yes'"),
        ("tls = 1", "line 37, mqtt.tls: must be true or false, not 1"),
        ("port = true", "line 37, mqtt.port: must be a whole number, not true"),
        ("port = 1883.0", "line 37, mqtt.port: must be a whole number, not 1883.0"),
        ("username = 2026-01-01", "line 37, mqtt.username: must be a text"),
    ],
)
def test_a_value_of_another_type_is_refused_though_it_could_be_read_as_the_right_one(
    tmp_path: Path, line: str, said: str
) -> None:
    path = written(tmp_path, f"{WHOLE.rstrip()}\n".replace('prefix = "home/es"', line))
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}: {said}")


def test_a_whole_number_may_stand_for_any_number(tmp_path: Path) -> None:
    config = load(written(tmp_path, WHOLE.replace("every_s = 60", "every_s = 61")))
    assert config.notes is not None
    assert config.notes.every_s == 61.0


def test_a_secret_that_is_there_passes_the_check_and_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ES_BROKER", "hush-hush")
    path = written(tmp_path, WHOLE + 'username = "me"\npassword_env = "ES_BROKER"\n')
    assert "hush" not in repr(load(path))


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
    (tmp_path / "ca.pem").write_text(Path(certifi.where()).read_text())
    text = WHOLE.replace("rtsp://camera/yard", "inbox") + 'tls = true\nca_file = "ca.pem"\n'
    config = load(written(tmp_path, text))
    assert config.folder == tmp_path / "here"
    assert config.mqtt is not None
    assert config.mqtt.ca_file == tmp_path / "ca.pem"
    source = config.source[1]
    assert isinstance(source, MediaSource)
    assert source.address == str(tmp_path / "inbox")
