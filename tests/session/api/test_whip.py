"""The way in for live media, by RFC 9725."""

from __future__ import annotations

import asyncio

import pytest

from tests.session.conftest import House
from tests.session.fakes import eventually

SDP = {"Content-Type": "application/sdp"}


async def test_an_offer_is_answered_by_201_with_a_secret_location(house: House) -> None:
    response = await house.offer("kitchen")
    assert response.status_code == 201
    assert response.headers["content-type"] == "application/sdp"
    assert response.text.startswith("v=0")
    location, session = response.headers["Location"], response.headers["X-EchoSieve-Session"]
    assert location.startswith("/whip/kitchen/whip_")
    assert session not in location
    assert len(location.partition("/whip_")[2]) >= 22  # 128 bits


async def test_delete_ends_the_session_once(house: House) -> None:
    response = await house.offer()
    location = response.headers["Location"]
    deleted = await house.http.delete(location)
    assert deleted.status_code == 200
    assert deleted.text  # ffmpeg 9 warns of an answer without a body
    assert house.exchange.peers[0].is_closed
    session = (
        await house.http.get(f"/v1/sessions/{response.headers['X-EchoSieve-Session']}")
    ).json()
    assert session["state"] == "ended"
    assert (await house.http.delete(location)).status_code == 404


async def test_the_public_id_does_not_end_a_session_by_whip(house: House) -> None:
    session, _ = await house.join()
    assert (await house.http.delete(f"/whip/room/{session}")).status_code == 404
    assert not house.manager.get(session).ended


async def test_a_secret_ends_no_session_under_the_name_of_another_room(house: House) -> None:
    location = (await house.offer("kitchen")).headers["Location"]
    elsewhere = location.replace("kitchen", "cellar")
    assert (await house.http.delete(elsewhere)).status_code == 404
    assert (await house.http.delete(location)).status_code == 200


async def test_options_tell_what_can_be_posted(house: House) -> None:
    response = await house.http.options("/whip/room")
    assert response.status_code == 200
    assert response.headers["Accept-Post"] == "application/sdp"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH"])
async def test_other_methods_are_not_allowed(house: House, method: str) -> None:
    response = await house.http.request(method, "/whip/room")
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]


async def test_trickle_and_restart_are_not_supported(house: House) -> None:
    location = (await house.offer()).headers["Location"]
    headers = {"Content-Type": "application/trickle-ice-sdpfrag"}
    response = await house.http.patch(location, content="a=ice-ufrag:x", headers=headers)
    assert response.status_code == 501


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        ("garbage", SDP, 400),
        ("", SDP, 400),
        (b"\xff\xfe\x00", SDP, 400),
        ("v=0", {"Content-Type": "text/plain"}, 415),
        ("v=0", {}, 415),
        ("v=0\r\n" + "a=x\r\n" * 40_000, SDP, 413),
    ],
)
async def test_a_bad_offer_gets_the_status_of_the_standard(
    house: House, content: str | bytes, headers: dict[str, str], status: int
) -> None:
    response = await house.http.post("/whip/room", content=content, headers=headers)
    assert response.status_code == status
    assert response.json()["error"]["message"]
    assert (await house.offer()).status_code == 201


@pytest.mark.parametrize("room", ["a b", "x" * 65, "a$", "%00", ".a"])
async def test_a_room_has_a_plain_name(house: House, room: str) -> None:
    assert (await house.offer(room)).status_code == 400


async def test_a_full_house_refuses_with_503_before_it_looks_at_the_offer(house: House) -> None:
    for _ in range(house.config.rows):
        await house.join()
    refused = await house.http.post("/whip/room", content="garbage", headers=SDP)
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    ready = await house.http.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    house.exchange.peers[0].leave()
    await eventually(lambda: len(house.manager.all()) < house.config.rows)
    assert (await house.http.get("/readyz")).status_code == 200
    await house.join()


async def test_offers_that_come_together_do_not_get_more_places_than_there_are(
    house: House,
) -> None:
    offers = (house.offer() for _ in range(house.config.rows + 3))
    statuses = [response.status_code for response in await asyncio.gather(*offers)]
    assert sorted(statuses) == [201] * house.config.rows + [503] * 3


async def test_pages_of_other_sites_may_not_read_the_answers(house: House) -> None:
    headers = {**SDP, "Origin": "https://elsewhere.example"}
    response = await house.http.post("/whip/room", content="v=0", headers=headers)
    assert "access-control-allow-origin" not in response.headers


async def test_a_strange_host_name_is_not_served(house: House) -> None:
    response = await house.http.get("/healthz", headers={"Host": "rebound.example"})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "Host"
    assert "--key-file" in response.json()["error"]["message"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("host", ["localhost:8080", "LOCALHOST", "127.0.0.1:1", "[::1]:8080"])
async def test_the_service_answers_to_its_own_names(house: House, host: str) -> None:
    assert (await house.http.get("/healthz", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", ["", "localhost:x", "localhost.example", "[::1].example", "::1"])
async def test_a_host_that_only_looks_like_it_is_refused(house: House, host: str) -> None:
    assert (await house.http.get("/healthz", headers={"Host": host})).status_code == 400


async def test_a_preflight_of_another_site_is_refused_in_our_form(house: House) -> None:
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    response = await house.http.options("/whip/room", headers=headers)
    assert response.status_code == 400
    assert "elsewhere.example" in response.json()["error"]["message"]
    assert "access-control-allow-origin" not in response.headers
