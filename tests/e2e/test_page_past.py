"""Looking back on the page: what is asked of the notes of a session, and what was asked before."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from playwright.async_api import Page, expect

from session import wire
from session.live.session import CUT_OFF
from session.notes import records as note_records
from tests.clients.sdk.conftest import Line
from tests.e2e.browsing import ask
from tests.e2e.faked import look_back
from tests.session.fakes import eventually
from tests.session.notes.test_records import note

pytestmark = pytest.mark.browser

SLOW_ANSWERS = """() => {
  const real = window.fetch;
  const late = { transform: (part, out) => new Promise((done) =>
    setTimeout(() => { out.enqueue(part); done(); }, 300)) };
  window.fetch = async (path, how) => {
    if (!String(path).endsWith("/ask")) return real(path, how);
    const body = JSON.stringify({ ...JSON.parse(how.body), max_tokens: 256 });
    const response = await real(path, { ...how, body });
    return new Response(response.body.pipeThrough(new TransformStream(late)), response);
  };
}"""  # what is told of the session comes before the end of an answer
MINUTES = ("a red circle", "a low hum", "a red square", "nothing")  # as they were noted


async def ended(line: Line, *texts: str) -> str:
    """A session that has ended, with a note of a minute for each of the texts."""
    session, _ = await line.join()
    await noted(line, session.id, *texts)
    await line.house.manager.end(session.id, "the sender ended it")
    return session.id


async def noted(line: Line, session: str, *texts: str) -> None:
    journal = line.house.app.state.service.shelf.journal
    for minute, text in enumerate(texts):
        await journal.do(partial(note_records.add, note=note(minute, text, session)))


async def test_a_session_that_has_ended_is_asked_and_its_notes_answer(
    page: Page, line: Line
) -> None:
    session = await ended(line, *MINUTES)
    await look_back(page)
    await expect(page.locator("#past-text")).to_contain_text("its notes answer")
    answer = await ask(page, "where was something red?")
    assert answer.startswith("From the notes: ")
    assert "a red circle" in answer
    assert "a red square" in answer
    (kept,) = (await line.house.http.get(f"/v1/sessions/{session}/answers")).json()["answers"]
    assert kept["question"] == "where was something red?"


async def test_an_answer_from_notes_tells_their_times_and_no_figures_of_tokens(
    page: Page, line: Line
) -> None:
    await ended(line, *MINUTES)
    await look_back(page)
    await ask(page, "what was between 1:10 and 2:50?")  # two notes that touch
    facts = page.locator("#answers li").first.locator(".facts li")
    await expect(facts).to_have_text(["asked at 0:00", "from the notes of 1:00 to 3:00"])
    await ask(page, "where was something red?")
    await expect(facts.last).to_have_text("from the notes of 0:00 to 1:00, 2:00 to 3:00")
    await ask(page, "any zebra?")
    await expect(page.locator("#answers .answer").first).to_contain_text("no note holds these")
    await expect(facts).to_have_text(["asked at 0:00"])


async def test_an_answer_that_was_cut_off_as_the_service_stopped_says_so(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    asking = asyncio.create_task(line.house.ask(session.id, "slowly"))
    await eventually(lambda: bool(line.house.engine.branches))
    await line.house.manager.close()  # the service stops
    assert (await asking).status_code == 503
    await look_back(page)
    await expect(page.locator("#answers .failed")).to_have_text(CUT_OFF)


async def test_a_question_in_flight_as_the_session_ends_gets_the_words_of_the_service(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    await page.evaluate(SLOW_ANSWERS)
    await page.get_by_role("button", name="Join").click()
    await page.get_by_label("Your question").fill("slowly")
    await page.get_by_label("Your question").press("Enter")
    await eventually(lambda: bool(line.house.engine.branches))
    await line.house.manager.end(session.id, "the sender ended it")
    answer = page.locator("#answers li").first
    await expect(page.get_by_role("alert")).to_contain_text("the sender ended it")
    await expect(answer).to_have_attribute("data-state", "cancelled")
    await expect(answer.locator(".failed")).to_have_text("The answer was stopped.")


async def test_a_live_session_that_is_asked_about_what_it_forgot_tells_the_times_of_the_notes(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    await noted(line, session.id, *MINUTES)
    await page.get_by_role("button", name="Join").click()
    await expect(page.get_by_label("Your question")).to_be_enabled()
    body = {"question": "where was something red?", "notes": "only"}
    await line.house.http.post(f"/v1/sessions/{session.id}/ask", json=body)
    await page.get_by_role("button", name="Leave").click()
    await page.get_by_role("button", name="Join").click()
    facts = page.locator("#answers .facts")
    await expect(facts).to_contain_text("from the notes of 0:00 to 1:00, 2:00 to 3:00")
    await expect(facts).not_to_contain_text("tokens")


async def test_an_answer_from_what_was_seen_tells_its_tokens(page: Page, line: Line) -> None:
    session, peer = await line.join()
    await peer.play(2.1)
    live = await line.house.manager.live(session.id)
    await eventually(lambda: live.progress.windows > 0)
    await page.get_by_role("button", name="Join").click()
    await expect(page.get_by_label("Your question")).to_be_enabled()
    await ask(page, "what now")
    facts = page.locator("#answers .facts")
    await expect(facts).to_contain_text("picture 3 of 18 tokens")
    await expect(facts).not_to_contain_text("notes")


async def test_without_notes_it_is_said_that_there_is_nothing_to_ask(
    page: Page, line: Line
) -> None:
    await ended(line)
    await look_back(page)
    await expect(page.locator("#past-text")).to_contain_text("has no notes")
    await expect(page.get_by_label("Your question")).to_be_hidden()
    await page.get_by_role("tab", name="Timeline").click()
    await expect(page.locator("#nothing-yet")).to_have_text("Nothing was noted or told of.")
    await expect(page.get_by_label("Search the notes")).to_be_hidden()
    await expect(page.get_by_role("button", name="Save as Markdown")).to_be_hidden()


async def test_what_was_asked_is_in_the_order_of_asking_newest_first_whoever_was_answered_first(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    path = f"/v1/sessions/{session.id}"
    await noted(line, session.id, *MINUTES)
    slow = asyncio.create_task(
        line.house.http.post(f"{path}/ask", json={"question": "slowly", "max_tokens": 256})
    )
    live = await line.house.manager.live(session.id)
    await eventually(lambda: live.describe().answering == 1)
    await line.house.ask(session.id, "quickly")
    await slow
    given = (await line.house.http.get(f"{path}/answers")).json()["answers"]
    assert [answer["question"] for answer in given] == ["quickly", "slowly"]
    await page.get_by_role("button", name="Join").click()
    questions = page.locator("#answers .question")
    await expect(questions).to_have_text(["quickly", "slowly"])
    await ask(page, "and now")
    await expect(questions).to_have_text(["and now", "quickly", "slowly"])
    await page.get_by_role("button", name="Leave").click()
    await line.house.manager.end(session.id, "the sender ended it")
    await look_back(page)
    await expect(questions).to_have_text(["and now", "quickly", "slowly"])
    await ask(page, "what was red?")
    await expect(questions).to_have_text(["what was red?", "and now", "quickly", "slowly"])


async def test_an_answer_of_no_words_is_told_as_one(page: Page, line: Line) -> None:
    session, _ = await line.join()
    await line.house.ask(session.id, "what now")
    (given,) = (await line.house.http.get(f"/v1/sessions/{session.id}/answers")).json()["answers"]
    silent = wire.AnswerList(
        answers=[wire.Answer.model_validate(given | {"text": " "})], has_more=False
    )
    await page.route("**/answers?*", lambda route: route.fulfill(body=silent.model_dump_json()))
    await page.get_by_role("button", name="Join").click()
    await expect(page.locator("#answers .answer")).to_have_text("The model said nothing.")


async def test_after_a_search_one_button_and_an_emptied_field_show_the_whole_timeline_again(
    page: Page, line: Line
) -> None:
    await ended(line, *MINUTES)
    await look_back(page)
    await page.get_by_role("tab", name="Timeline").click()
    words, everything = page.get_by_label("Search the notes"), page.locator("#timeline li")
    whole = page.get_by_role("button", name="Show everything")
    await expect(whole).to_be_hidden()
    for search in ("red", "zebra"):
        await words.fill(search)
        await words.press("Enter")
        await expect(page.locator("#search-text")).to_contain_text("found")
        await expect(everything.first).to_be_hidden()
        await words.press("Tab")
        await page.keyboard.press("Tab")  # past the search itself
        await expect(whole).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(everything).to_have_count(len(MINUTES))
        await expect(everything.first).to_be_visible()
        await expect(page.locator("#timeline")).to_be_focused()
        await expect(words).to_have_value("")
        await expect(whole).to_be_hidden()
    await words.fill("red")
    await words.press("Enter")
    await expect(page.locator("#found li")).to_have_count(2)
    await words.fill("")
    await expect(everything.first).to_be_visible()
    await expect(page.locator("#search-text")).to_be_empty()
