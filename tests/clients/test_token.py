"""`echosieve token`: keys that are kept, tokens that say what they are for."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from session.auth import Gate, read_key
from tests.clients.test_cli import Call, call

__all__ = ["call"]


@pytest.fixture
def key_file(call: Call, tmp_path: Path) -> Path:
    path = tmp_path / "key"
    assert call("token", "--new-key", str(path)).code == 0
    return path


@pytest.fixture(autouse=True)
def no_key_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ECHOSIEVE_KEY", raising=False)


def test_a_new_key_is_for_its_owner_alone_and_its_place_is_told(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "key"
    run = call("token", "--new-key", str(path))
    assert (run.code, run.out) == (0, "")
    assert f"the key is in {path}: keep it secret" in run.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().strip()) >= 32
    assert path.read_text().strip() not in run.err


def test_a_key_that_is_there_is_not_overwritten(call: Call, key_file: Path) -> None:
    before = key_file.read_text()
    complaint = call("token", "--new-key", str(key_file)).complaint
    assert str(key_file) in complaint
    assert "exists already" in complaint
    assert f"--key-file {key_file}" in complaint
    assert "Errno" not in complaint
    assert before not in complaint
    assert key_file.read_text() == before


def test_a_link_is_not_followed_to_write_a_key(call: Call, tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    assert call("token", "--new-key", str(link)).code == 1
    assert not target.exists()


def test_a_token_holds_for_its_roles_session_and_hours(call: Call, key_file: Path) -> None:
    run = call(
        *("token", "--key-file", str(key_file), "--role", "publish", "--role", "ask"),
        *("--session", "ses_1", "--hours", "2", "--name", "Ada"),
    )
    grant = Gate(read_key(key_file, {})).admit(f"Bearer {run.out.strip()}")
    assert (grant.holder, grant.roles, grant.session) == ("Ada", {"publish", "ask"}, "ses_1")
    assert 7_190 < grant.expires_at - time.time() <= 7_200


@pytest.mark.parametrize("session", ["bad id!", "", "../ses_1", "-"])
def test_a_token_for_what_can_be_no_session_is_refused(
    call: Call, key_file: Path, session: str
) -> None:
    run = call("token", "--key-file", str(key_file), f"--session={session}")
    assert (run.code, run.out) == (2, "")
    assert "--session: " in run.err
    assert "is no id" in run.err


def test_without_more_words_a_token_watches_for_a_day(call: Call, key_file: Path) -> None:
    run = call("token", "--key-file", str(key_file))
    grant = Gate(read_key(key_file, {})).admit(f"Bearer {run.out.strip()}")
    assert grant.roles == {"watch"}
    assert 86_390 < grant.expires_at - time.time() <= 86_400


def test_tokens_without_a_name_are_of_different_holders(call: Call, key_file: Path) -> None:
    gate = Gate(read_key(key_file, {}))
    tokens = [call("token", "--key-file", str(key_file)).out.strip() for _ in range(2)]
    one, other = (gate.admit(f"Bearer {token}").holder for token in tokens)
    assert one.startswith("tok_")
    assert one != other


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "soon", "87601", "1e300"])
def test_a_lifetime_that_is_none_is_refused(call: Call, key_file: Path, hours: str) -> None:
    run = call("token", "--key-file", str(key_file), "--hours", hours)
    assert run.code == 2
    assert "--hours" in run.err


def test_a_role_that_is_not_there_is_refused_with_those_that_are(
    call: Call, key_file: Path
) -> None:
    run = call("token", "--key-file", str(key_file), "--role", "king")
    assert run.code == 2
    for role in ("publish", "ask", "watch", "admin"):
        assert role in run.err


def test_without_a_key_there_is_nothing_to_sign_with(call: Call, tmp_path: Path) -> None:
    assert "ECHOSIEVE_KEY" in call("token").complaint
    short = tmp_path / "short"
    short.write_text("too short")
    complaint = call("token", "--key-file", str(short)).complaint
    assert "at least 32" in complaint
    assert "too short" not in complaint


def test_a_key_file_that_cannot_be_read_is_told_with_what_would_be_right(
    call: Call, tmp_path: Path
) -> None:
    missing, binary = tmp_path / "missing", tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe" * 32)
    for path, said in (
        (missing, f"there is no key file {missing}: make one by `echosieve token --new-key"),
        (tmp_path, f"the key file {tmp_path} cannot be read: this is a folder: name a file"),
        (binary, f"{binary} is no key"),
    ):
        complaint = call("token", "--key-file", str(path)).complaint
        assert said in complaint
        assert "Errno" not in complaint


def test_a_key_is_not_written_where_there_is_no_folder(call: Call, tmp_path: Path) -> None:
    complaint = call("token", "--new-key", str(tmp_path / "none" / "key")).complaint
    assert f"there is no folder {tmp_path / 'none'}" in complaint
    assert "Errno" not in complaint


def test_beyond_this_machine_nothing_is_served_without_a_key(call: Call) -> None:
    assert "--new-key" in call("serve", "--host", "0.0.0.0", "--journal", "none").complaint
