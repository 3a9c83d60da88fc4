"""Looks at an offer before the WebRTC stack does. Pure.

aiortc accepts nearly anything and fails in a dozen ways on the rest, some of them only when the
connection is closed; every candidate in an offer makes it send packets to that address. So what it
is given has been checked for size and shape, and cleaned of candidates it should not talk to.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from aiortc.sdp import H264Profile, parse_h264_profile_level_id

MAX_BYTES = 128 * 1024
MAX_MEDIA = 4
MAX_CANDIDATES = 20

_CODECS = {"audio": ("opus/48000",), "video": ("vp8/90000", "h264/90000")}
_WANTED = {"audio": "Opus", "video": "VP8 or H.264"}
_H264_PROFILES = (H264Profile.PROFILE_BASELINE, H264Profile.PROFILE_CONSTRAINED_BASELINE)

# The values that attributes must have, and how to say so. All numbers are short and ASCII.
_PT, _INT = "[0-9]{1,3}", "[0-9]{1,10}"
_SHAPES = {
    "extmap": (f"{_INT}(/[a-z]+)? [^ ]+", "a=extmap:ID URI"),
    "fingerprint": ("[^ ]+ [0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})+", "a=fingerprint:sha-256 AB:CD:..."),
    "fmtp": (f"{_PT} .+", "a=fmtp:PAYLOAD-TYPE PARAMETERS"),
    "group": ("[^ ]+( [^ ]+)*", "a=group:BUNDLE MID MID ..."),
    "ice-pwd": ("[!-~]{22,256}", "a=ice-pwd: with 22 to 256 ASCII characters"),
    "ice-ufrag": ("[!-~]{4,256}", "a=ice-ufrag: with 4 to 256 ASCII characters"),
    "max-message-size": (_INT, "a=max-message-size:BYTES"),
    "mid": ("[!-~]{1,64}", "a=mid: with 1 to 64 ASCII characters"),
    "rtcp": ("[0-9]{1,5}( IN IP[46] [^ ]+)?", "a=rtcp:PORT IN IP4 ADDRESS"),
    "rtcp-fb": (rf"({_PT}|\*) [^ ]+.*", "a=rtcp-fb:PAYLOAD-TYPE FEEDBACK"),
    "rtpmap": (f"{_PT} [^ /]+/{_INT}(/{_PT})?", "a=rtpmap:PAYLOAD-TYPE NAME/RATE"),
    "sctp-port": ("[0-9]{1,5}", "a=sctp-port:PORT"),
    "setup": ("actpass|active|passive", "a=setup:actpass, active or passive"),
    "ssrc": (f"{_INT} [^ :]+:.*", "a=ssrc:NUMBER NAME:VALUE"),
    "ssrc-group": (f"[^ ]+( {_INT})+", "a=ssrc-group:KIND NUMBER NUMBER"),
}


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
    for kind in ("audio", "video", "application"):
        _require_one_at_most(kind, sections)
    for lines in (session, *sections):
        _check_shapes(lines)
    for section in sections:
        _check_section(session, section)
    _check_mids(session, sections)
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


def _check_shapes(lines: list[str]) -> None:
    """That the lines which carry numbers and addresses carry such."""
    for line in lines:
        if line.startswith("c=") and not re.fullmatch("c=IN IP[46] [^ ]+", line):
            raise SdpError(f"malformed line {line[:80]!r}: it should be c=IN IP4 ADDRESS")
        name, _, value = line[2:].partition(":")
        if line.startswith("a=") and name in _SHAPES:
            shape, wanted = _SHAPES[name]
            if not re.fullmatch(shape, value):
                raise SdpError(f"malformed line {line[:80]!r}: it should be {wanted}")


def _check_section(session: list[str], section: list[str]) -> None:
    parts = section[0][2:].split()
    if not re.fullmatch("m=[a-z]+ [0-9]{1,5} [A-Z/]+( [!-~]+)+", section[0]):
        raise SdpError(
            f"malformed m= line: {section[0][:80]!r}; "
            "it should be like m=audio 9 UDP/TLS/RTP/SAVPF 111"
        )
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
        return
    if "a=rtcp-mux" not in section:
        raise SdpError(f"the {kind} section lacks a=rtcp-mux; RTP and RTCP must share one port")
    _check_payload_types(parts[3:], section)


def _check_payload_types(offered: list[str], section: list[str]) -> None:
    """72 to 76 would be taken for RTCP (RFC 5761, section 4)."""
    for number in [*offered, *_format_numbers("rtpmap", section)]:
        if not re.fullmatch(_PT, number) or int(number) > 127 or 72 <= int(number) <= 76:
            raise SdpError(f"{number[:20]!r} is no RTP payload type: 0 to 71 and 77 to 127 are")
    for number in _format_numbers("fmtp", section):
        if number not in _format_numbers("rtpmap", section):
            raise SdpError(f"a=fmtp:{number} is about a payload type that has no a=rtpmap line")


def _check_mids(session: list[str], sections: list[list[str]]) -> None:
    mids = [_attributes("mid", section)[0] for section in sections]
    if len(set(mids)) < len(mids):
        raise SdpError(f"two m= sections have the same a=mid; got {', '.join(mids)}")
    for group in _attributes("group", session):
        kind, *members = group.split(" ")
        first_is_known = not members or members[0] in mids
        if kind == "BUNDLE" and not (first_is_known and len(set(members)) == len(members)):
            raise SdpError(f"a=group:{group[:80]} must begin with one of a=mid and name each once")


def _require_one_at_most(kind: str, sections: list[list[str]]) -> None:
    count = sum(_kind(section) == kind for section in sections)
    if count > 1:
        what = "data channel sections" if kind == "application" else f"{kind} tracks"
        raise UnsupportedMedia(f"the offer has {count} {what}; a stream has one at most")


def _check_codecs(section: list[str]) -> None:
    kind = _kind(section)
    parameters = dict(value.split(" ", 1) for value in _attributes("fmtp", section))
    refused = []
    for value in _attributes("rtpmap", section):
        number, codec = value.split(" ", 1)
        known = codec.lower().startswith(_CODECS[kind])
        if known and (not codec.lower().startswith("h264") or _is_baseline(parameters.get(number))):
            return
        refused.append(f"{codec} ({parameters.get(number, '')[:80]})" if known else codec)
    names = ", ".join(dict.fromkeys(refused[:10])) or "none"
    hint = " (H.264: baseline, packetization-mode=1)" if kind == "video" else ""
    raise UnsupportedMedia(f"no usable {kind} codec: {_WANTED[kind]}{hint} is needed, got {names}")


def _is_baseline(parameters: str | None) -> bool:
    """Whether H.264 with these a=fmtp parameters is of a kind that is taken (RFC 6184)."""
    pairs = [item.strip().partition("=") for item in (parameters or "").split(";")]
    values = {name: value for name, _, value in pairs}
    try:
        profile, _ = parse_h264_profile_level_id(values.get("profile-level-id", "42e01f"))
    except ValueError:
        return False
    return values.get("packetization-mode") == "1" and profile in _H264_PROFILES


def _format_numbers(name: str, section: list[str]) -> list[str]:
    return [value.split(" ", 1)[0] for value in _attributes(name, section)]


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
                line = " ".join(line.split()[:8])  # the rest is not needed
            lines.append(line)
    return "\r\n".join(lines) + "\r\n"


def _reachable(line: str, allow_loopback: bool) -> bool:
    """Whether packets may be sent to the candidate ``a=candidate:F C udp PRIO ADDR PORT typ T``."""
    shape = f"a=candidate:[!-~]{{1,64}} 1 [Uu][Dd][Pp] {_INT} ([!-~]+) ([0-9]{{1,5}}) typ [a-z]+.*"
    match = re.fullmatch(shape, line)
    if match is None or not 1024 <= int(match[2]) <= 65535:
        return False
    try:
        address = ipaddress.ip_address(match[1])
    except ValueError:  # an mDNS name
        return False
    address = getattr(address, "ipv4_mapped", None) or address
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
