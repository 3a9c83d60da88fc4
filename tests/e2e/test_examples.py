"""The examples, as written, against the real service: those in examples/, in the README and in the
SDK's page. A file `clip.webm` lies where they run."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import httpx
import pytest

from stream.render import render_file
from stream.source import FileSource, SceneSource
from stream.world.scene import Scene

ROOT = Path(__file__).parents[2]
SEED, CLIP_S = 0, 7.0  # the beginning of what the pages say how to get
PATIENCE_S = 90.0
PAGES = [ROOT / "README.md", ROOT / "docs" / "SDK.md"]
ALONE = sorted(set((ROOT / "examples").glob("*.py")) - {ROOT / "examples" / "follow_events.py"})


def blocks() -> list[str]:
    """The Python in the pages that uses the SDK."""
    found = [
        block
        for page in PAGES
        for block in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    ]
    return [block for block in found if "echosieve import" in block]


def text_of(example: str) -> str:
    return (ROOT / "examples" / example).read_text()


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    render_file(SceneSource(Scene(SEED), CLIP_S).items(), folder / "clip.webm")
    return folder


async def run(code: str, service: str, folder: Path) -> str:
    """What a program prints in the end."""
    surroundings = os.environ | {"ECHOSIEVE_URL": service, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", code),
        cwd=folder,
        env=surroundings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.parametrize("path", ALONE, ids=lambda path: path.name)
async def test_an_example_runs_and_says_something(
    service: str, workplace: Path, path: Path
) -> None:
    assert (await run(text_of(path.name), service, workplace)).strip()


async def test_the_standing_query_finds_what_it_is_about(service: str, workplace: Path) -> None:
    told = await run(text_of("standing_query.py"), service, workplace)
    assert "a yellow cross appears: it began" in told


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_where_the_clip_comes_from_is_said_before_it_is_sent(
    service: str, page: Path, tmp_path: Path
) -> None:
    text = page.read_text()
    said = re.search(r"curl -o clip\.webm 'http://127\.0\.0\.1:8080(/\S+)'", text)
    assert said is not None
    assert said.start() < text.index('publish("clip.webm")')
    assert f"seed={SEED}&" in said[1]
    film = httpx.get(service + said[1], timeout=PATIENCE_S)
    (tmp_path / "clip.webm").write_bytes(film.content)
    assert (FileSource(tmp_path / "clip.webm").duration_s or 0.0) > CLIP_S


async def test_the_events_of_a_running_session_are_followed(service: str, workplace: Path) -> None:
    publishing = asyncio.create_task(run(text_of("publish_and_ask.py"), service, workplace))
    async with httpx.AsyncClient(base_url=service, timeout=PATIENCE_S) as client:
        while not (await client.get("/v1/sessions?state=live")).json()["sessions"]:
            assert not publishing.done(), publishing.result()
            await asyncio.sleep(0.1)
    told = await run(text_of("follow_events.py"), service, workplace)
    answered = await publishing
    assert re.search(r"^\d+-\d+ s: ", told, re.MULTILINE)
    assert "'what do you see now?': " in told
    assert told.strip().endswith("session.closed")
    assert "tokens" in answered


@pytest.mark.parametrize("block", blocks())
async def test_what_the_pages_show_runs_as_it_stands_there(
    service: str, workplace: Path, block: str
) -> None:
    await run(block, service, workplace)


def test_the_first_answer_takes_less_than_ten_lines() -> None:
    code = text_of("quickstart.py").partition('"""\n')[2]
    assert len([line for line in code.splitlines() if line.strip()]) < 10
