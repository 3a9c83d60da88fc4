"""Looks at an offer before the WebRTC stack does. Pure.

aiortc accepts nearly anything and fails in a dozen ways on the rest, some of them only when the
connection is closed; every candidate in an offer makes it send packets to that address. So what it
is given has been checked for size and shape, and cleaned of candidates it should not talk to.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

MAX_BYTES = 128 * 1024
MAX_MEDIA = 4
MAX_CANDIDATES = 20

_CODECS = {"audio": ("opus",), "video": ("vp8", "h264")}
_WANTED = {"audio": "Opus", "video": "VP8 or H.264"}


class SdpError(Exception):
    """An offer that is no valid SDP offer for this service (HTTP 400)."""


class UnsupportedMedia(Exception):
    """A valid offer of tracks or codecs that are not received here (HTTP 406)."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A checked offer: the cleaned text, and what it brings."""

    sdp: str
    has_audio: bool
    has_video: bool
    has_channel: bool


def check_offer(text: str, *, allow_loopback: bool = False) -> Offer:
    """Checks and cleans an offer (RFC 8866, RFC 8829, RFC 9725).

    Dropped are candidates that are not UDP, are mDNS names (they cost a second each to look up, and
    connect as peer-reflexive ones anyway), or lie where no client can be: multicast, link-local
    (the metadata services of clouds), loopback unless allowed, ports below 1024.

    Raises SdpError or UnsupportedMedia, with a text for the sender.
    """
    session, sections = _sections(text)
    for kind in ("audio", "video"):
        _require_one_at_most(kind, sections)
    for section in sections:
        _check_section(session, section)
    sending = [s for s in sections if _kind(s) != "application" and _sends(session, s)]
    if not sending:
        raise SdpError("the offer sends no audio and no video; a stream needs at least one of them")
    for section in sending:
        _check_codecs(section)
    kinds = {_kind(section) for section in sections}
    sending_kinds = {_kind(section) for section in sending}
    return Offer(
        sdp=_cleaned(session, sections, allow_loopback),
        has_audio="audio" in sending_kinds,
        has_video="video" in sending_kinds,
        has_channel="application" in kinds,
    )


def _sections(text: str) -> tuple[list[str], list[list[str]]]:
    """The lines of the session and of each m-section."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise SdpError(f"the offer is larger than {MAX_BYTES} bytes")
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line]
    if not lines or lines[0] != "v=0":
        raise SdpError("this is no SDP: the first line must be v=0")
    for line in lines:
        if len(line) < 2 or line[1] != "=" or not line.isprintable():
            raise SdpError(f"not a line of SDP: {line[:40]!r}")
    starts = [i for i, line in enumerate(lines) if line.startswith("m=")]
    if not starts:
        raise SdpError("the offer has no m= line: it brings neither audio nor video")
    if len(starts) > MAX_MEDIA:
        raise SdpError(f"the offer has {len(starts)} m= lines; at most {MAX_MEDIA} are taken")
    ends = [*starts[1:], len(lines)]
    return lines[: starts[0]], [lines[a:b] for a, b in zip(starts, ends, strict=True)]


def _check_section(session: list[str], section: list[str]) -> None:
    parts = section[0][2:].split()
    if len(parts) < 4 or not parts[1].isdigit():
        raise SdpError(f"malformed m= line: {section[0][:80]!r}")
    kind = parts[0]
    if kind not in ("audio", "video", "application"):
        raise UnsupportedMedia(f"m={kind}: only audio, video and a data channel are received here")
    for name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup"):
        if not _attributes(name, section) and not _attributes(name, session):
            raise SdpError(f"the {kind} section lacks a={name}; offer ICE and DTLS for every track")
    if len(_attributes("mid", section)) != 1:
        raise SdpError(f"the {kind} section needs one a=mid line")
    if kind == "application":
        if "webrtc-datachannel" not in parts[3:]:
            raise UnsupportedMedia("m=application: only WebRTC data channels (SCTP) are taken")
    elif "a=rtcp-mux" not in section:
        raise SdpError(f"the {kind} section lacks a=rtcp-mux; RTP and RTCP must share one port")


def _require_one_at_most(kind: str, sections: list[list[str]]) -> None:
    count = sum(_kind(section) == kind for section in sections)
    if count > 1:
        raise UnsupportedMedia(f"the offer has {count} {kind} tracks; a stream has one at most")


def _check_codecs(section: list[str]) -> None:
    kind = _kind(section)
    offered = [value.split(" ", 1)[-1].split("/")[0] for value in _attributes("rtpmap", section)]
    if not any(name.lower() in _CODECS[kind] for name in offered):
        names = ", ".join(dict.fromkeys(offered)) or "none"
        raise UnsupportedMedia(f"no usable {kind} codec: {_WANTED[kind]} is needed, got {names}")


def _cleaned(session: list[str], sections: list[list[str]], allow_loopback: bool) -> str:
    lines, candidates = list(session), 0
    for section in sections:
        for line in section:
            # Without the end-of-candidates the connection stays open to peer-reflexive ones.
            if line.startswith("a=end-of-candidates"):
                continue
            if line.startswith("a=candidate:"):
                if candidates >= MAX_CANDIDATES or not _reachable(line, allow_loopback):
                    continue
                candidates += 1
            lines.append(line)
    return "\r\n".join(lines) + "\r\n"


def _reachable(line: str, allow_loopback: bool) -> bool:
    """Whether packets may be sent to the candidate ``a=candidate:F C udp PRIO ADDR PORT typ T``."""
    parts = line.removeprefix("a=candidate:").split()
    if len(parts) < 8 or parts[2].lower() != "udp" or parts[6] != "typ":
        return False
    if not all(parts[i].isdigit() for i in (1, 3, 5)) or not 1024 <= int(parts[5]) <= 65535:
        return False
    try:
        address = ipaddress.ip_address(parts[4])
    except ValueError:  # an mDNS name
        return False
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        return False
    return allow_loopback or not address.is_loopback


def _kind(section: list[str]) -> str:
    return section[0][2:].split(" ", 1)[0]


def _sends(session: list[str], section: list[str]) -> bool:
    for lines in (section, session):
        for line in lines:
            if line in ("a=sendonly", "a=sendrecv"):
                return True
            if line in ("a=recvonly", "a=inactive"):
                return False
    return True  # sendrecv is what a section without a direction means


def _attributes(name: str, lines: list[str]) -> list[str]:
    prefix = f"a={name}:"
    return [line[len(prefix) :] for line in lines if line.startswith(prefix)]
