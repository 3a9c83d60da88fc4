"""Offers are looked at before the WebRTC stack sees them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.sdp import MAX_CANDIDATES, SdpError, UnsupportedMedia, check_offer

SESSION = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0"]
TRANSPORT = ["a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901", "a=setup:actpass",
             "a=fingerprint:sha-256 " + ":".join(["AA"] * 32)]  # fmt: skip
CANDIDATE = "a=candidate:1 1 udp 2130706431 192.168.1.7 50000 typ host"


def track(kind: str, mid: str, codec: str, *more: str, direction: str = "sendonly") -> list[str]:
    lines = [f"m={kind} 9 UDP/TLS/RTP/SAVPF 96", f"a={direction}", f"a=mid:{mid}", "a=rtcp-mux"]
    return [*lines, f"a=rtpmap:96 {codec}", *TRANSPORT, *more]


AUDIO = track("audio", "0", "opus/48000/2")
VIDEO = track("video", "1", "VP8/90000")
HIGH_PROFILE = "a=fmtp:96 profile-level-id=640032;packetization-mode=1"
CHANNEL = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:2", *TRANSPORT]


def text(*sections: list[str]) -> str:
    lines = [line for section in sections for line in section]
    mids = [line.removeprefix("a=mid:") for line in lines if line.startswith("a=mid:")]
    return "\r\n".join([*SESSION, " ".join(["a=group:BUNDLE", *mids]), *lines]) + "\r\n"


def changed(old: str, new: str) -> str:
    assert old in text(AUDIO, VIDEO, CHANNEL)
    return text(AUDIO, VIDEO, CHANNEL).replace(old, new, 1)


def test_a_usual_offer_passes_and_tells_what_it_brings() -> None:
    offer = check_offer(text(AUDIO, VIDEO, CHANNEL))
    assert (offer.has_audio, offer.has_video, offer.has_channel) == (True, True, True)
    assert offer.sdp == text(AUDIO, VIDEO, CHANNEL)


def test_a_track_that_is_only_received_is_not_brought() -> None:
    idle = track("audio", "0", "opus/48000/2", direction="recvonly")
    offer = check_offer(text(idle, VIDEO))
    assert (offer.has_audio, offer.has_video, offer.has_channel) == (False, True, False)


def test_newlines_without_carriage_returns_are_fine() -> None:
    assert check_offer(text(AUDIO).replace("\r\n", "\n")).has_audio


@pytest.mark.parametrize(
    ("offer", "says"),
    [
        ("", "no SDP"),
        ("hello", "no SDP"),
        ("v=0\r\n", "no m= line"),
        ("v=0\r\nthis is not\r\n", "not a line of SDP"),
        ("v=0\r\ns=\x00\r\n", "not a line of SDP"),
        ("v=0\r\n" + "a=x\r\n" * 50_000, "larger than"),
        (text(*[AUDIO] * 5), "5 m= lines"),
        (text(["m=audio"]), "malformed m= line"),
        (text(["m=audio x UDP/TLS/RTP/SAVPF 96"]), "malformed m= line"),
        (text([line for line in AUDIO if "ice-pwd" not in line]), "lacks a=ice-pwd"),
        (text([line for line in AUDIO if "fingerprint" not in line]), "lacks a=fingerprint"),
        (text([line for line in AUDIO if "rtcp-mux" not in line]), "lacks a=rtcp-mux"),
        (text([line for line in AUDIO if "a=mid" not in line]), "a=mid"),
        (text(CHANNEL), "sends no audio and no video"),
        (changed("m=audio 9", "m=audio ²"), "malformed m= line"),
        (changed("m=audio 9", "m=audio " + "9" * 5000), "malformed m= line"),
        (changed("SAVPF 96", "SAVPF abc"), "'abc' is no RTP payload type"),
        (changed("SAVPF 96", "SAVPF 72"), "'72' is no RTP payload type"),
        (changed("rtpmap:96 ", "rtpmap:² "), "it should be a=rtpmap:PAYLOAD-TYPE NAME/RATE"),
        (changed("a=rtpmap:96 o", "a=fmtp:97 x\r\na=rtpmap:96 o"), "no a=rtpmap line"),
        (changed("actpass", "sometimes"), "a=setup:actpass, active or passive"),
        (changed(" AA:AA", " AA-AA"), "it should be a=fingerprint"),
        (changed("0123456789012345678901", "ü" * 24), "it should be a=ice-pwd"),
        (changed("a=mid:1", "a=mid:0"), "the same a=mid"),
        (changed("BUNDLE 0", "BUNDLE 7"), "must begin with one of a=mid"),
        (changed("BUNDLE 0", "BUNDLE 0 0"), "name each once"),
        (changed("a=mid:0", "a=mid:0\r\nc=x"), "it should be c=IN IP4 ADDRESS"),
        (text(track("video", "1", "VP8/90000", direction="recvonly")), "sends no audio"),
    ],
)
def test_what_is_no_usable_offer_is_refused_with_the_reason(offer: str, says: str) -> None:
    with pytest.raises(SdpError, match=says):
        check_offer(offer)


@pytest.mark.parametrize(
    ("offer", "says"),
    [
        (text(AUDIO, AUDIO), "2 audio tracks"),
        (text(VIDEO, VIDEO), "2 video tracks"),
        (text(track("video", "1", "AV1/90000")), "VP8 or H.264 .* is needed, got AV1"),
        (text(track("video", "1", "H264/90000", HIGH_PROFILE)), "got H264/90000 .*=640032"),
        (text(AUDIO, CHANNEL, CHANNEL), "2 data channel sections"),
        (text(track("audio", "0", "PCMU/8000")), "Opus is needed, got PCMU"),
        (text(["m=text 9 X 1", "a=mid:0", *TRANSPORT]), "m=text"),
        (text(["m=application 9 X something", "a=mid:0", *TRANSPORT]), "data channels"),
    ],
)
def test_media_that_is_not_received_here_is_refused_with_the_reason(offer: str, says: str) -> None:
    with pytest.raises(UnsupportedMedia, match=says):
        check_offer(offer)


@pytest.mark.parametrize(
    "line",
    [
        "a=candidate:1 1 udp 1 0f3b2c1d-1111.local 50000 typ host",
        "a=candidate:1 1 tcp 1 192.168.1.7 50000 typ host tcptype active",
        "a=candidate:1 1 udp 1 169.254.169.254 50000 typ host",
        "a=candidate:1 1 udp 1 224.0.0.251 50000 typ host",
        "a=candidate:1 1 udp 1 127.0.0.1 50000 typ host",
        "a=candidate:1 1 udp 1 ::1 50000 typ host",
        "a=candidate:1 1 udp 1 0.0.0.0 50000 typ host",
        "a=candidate:1 1 udp 1 192.168.1.7 53 typ host",
        "a=candidate:1 1 udp 1 192.168.1.7 99999 typ host",
        "a=candidate:1 1 udp 1 192.168.1.7",
        "a=candidate:1 x udp 1 192.168.1.7 50000 typ host",
        "a=candidate:1 1 udp 1 192.168.1.7 ²²²² typ host",
        "a=candidate:1 ² udp 1 192.168.1.7 50000 typ host",
        "a=candidate:1 1 udp 1 192.168.1.7 " + "9" * 5000 + " typ host",
        "a=candidate:1 1 udp 1 ::ffff:169.254.169.254 50000 typ host",
        "a=end-of-candidates",
    ],
)
def test_candidates_that_lead_nowhere_good_are_left_out(line: str) -> None:
    cleaned = check_offer(text([*AUDIO, CANDIDATE, line])).sdp
    assert line not in cleaned
    assert CANDIDATE in cleaned


def test_loopback_is_a_matter_of_policy() -> None:
    line = "a=candidate:1 1 udp 1 127.0.0.1 50000 typ host"
    assert line in check_offer(text([*AUDIO, line]), allow_loopback=True).sdp


def test_the_number_of_candidates_is_limited() -> None:
    lines = [CANDIDATE.replace("50000", str(50_000 + i)) for i in range(1000)]
    cleaned = check_offer(text([*AUDIO, *lines])).sdp
    assert cleaned.count("a=candidate:") == MAX_CANDIDATES


@given(st.text(max_size=300) | st.lists(st.sampled_from([*SESSION, *AUDIO, *VIDEO, *CHANNEL, "m=",
       "a=candidate:", "a=rtpmap:", "a=mid:"]), max_size=40).map("\n".join))  # fmt: skip
def test_any_text_either_passes_or_is_refused_properly(offer: str) -> None:
    with suppress(SdpError, UnsupportedMedia):
        check_offer("v=0\n" + offer)
