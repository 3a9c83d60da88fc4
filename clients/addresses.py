"""Whether what somebody names can ever be watched, before anything is."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from clients.sdk.errors import MediaFailed

SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "tcp", "udp", "rtp")
SERVERS = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https")  # whose addresses must name a host


def watchable(address: str, base: Path | None) -> str:
    """The address, or the path of a file, a folder or a device, which counts from `base`.

    Raises ValueError for what can never be watched, with what would be right, never with the
    address, in which a password may stand; whether somebody answers is not asked.
    """
    scheme, mark, _ = address.partition("://")
    if mark:
        _check_url(scheme.lower(), address)
        return address
    path = (base or Path()) / address
    if not path.exists():
        raise ValueError(_missing(path))
    if path.is_file():
        _check_file(path)
    return str(path)


def on_the_web(address: str) -> bool:
    """Whether it is that of a web server, where films lie beside channels."""
    return address.lower().startswith(("http://", "https://"))


def _missing(path: Path) -> str:
    if path.is_relative_to("/dev"):
        return f"there is no device {path}; `echosieve webcam --list` shows which cameras there are"
    known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
    return f"there is no {path}; an address begins with one of {known}"


def _check_url(scheme: str, address: str) -> None:
    if scheme not in SCHEMES:
        raise ValueError(f"{scheme}:// is not known: there are {', '.join(SCHEMES)}")
    try:
        parts = urlsplit(address)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise ValueError(f"this is no URL ({error}): {scheme}://host:port/path") from None
    if scheme in SERVERS and not host:
        raise ValueError(f"the host is missing: {scheme}://host:port/path")
    if scheme not in SERVERS and port is None:
        raise ValueError(f"the port is missing: {scheme}://host:port")


def _check_file(path: Path) -> None:
    from clients.media import look_at

    try:
        look_at(path)
    except MediaFailed as error:
        raise ValueError(str(error)) from error
