"""A real Chromium whose camera and microphone are files rendered from the world, and its page."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    async_playwright,
    expect,
)

from stream.render import render_devices
from stream.source import SceneSource
from stream.world.scene import Scene

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_S = 30.0  # of everything that waits for something, on a machine that is busy
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--allow-loopback-in-peer-connection",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
SEED = 7
FILE_S = 90.0  # longer than the test asks, so that the devices never start again
FPS = 10
READY_MS = 60_000  # to render the demo scene and to connect
ANSWER_MS = 15_000
expect.set_options(timeout=1000 * PATIENCE_S)  # a page's own default does not hold for it


@dataclass(frozen=True)
class Devices:
    """Files for the fake camera and microphone, and what the camera shows when."""

    scene: Scene
    y4m: Path
    wav: Path
    pictures: NDArray[np.int16]  # [frames, 84, 84, 3]

    def time_of(self, picture: NDArray[np.int16]) -> float:
        """Scene seconds at which the camera shows `picture` [84, 84, 3]."""
        distance = np.abs(self.pictures - picture).mean((1, 2, 3))
        return float(distance.argmin()) / FPS


@pytest.fixture(scope="session")
def devices(tmp_path_factory: pytest.TempPathFactory) -> Devices:
    folder = tmp_path_factory.mktemp("devices")
    scene, y4m, wav = Scene(SEED), folder / "camera.y4m", folder / "microphone.wav"
    render_devices(SceneSource(scene, FILE_S).items(), y4m, wav, fps=FPS)
    pictures = [scene.frame(i / FPS) for i in range(int(FILE_S * FPS))]
    return Devices(scene, y4m, wav, np.stack(pictures).astype(np.int16))


@pytest.fixture(scope="session")
def chromium() -> Path:
    if CHROMIUM.exists():
        return CHROMIUM
    reason = f"Chromium is not at {CHROMIUM}: apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
async def browser(chromium: Path, devices: Devices) -> AsyncIterator[Browser]:
    files = [
        f"--use-file-for-fake-video-capture={devices.y4m}",
        f"--use-file-for-fake-audio-capture={devices.wav}",
    ]
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=str(chromium), args=[*FLAGS, *files]
        )
        yield started
        await started.close()


Open = Callable[..., Awaitable[Page]]


@pytest.fixture
async def open_page(browser: Browser, service: str) -> AsyncIterator[Open]:
    """Opens the page in a fresh context; nothing may have gone wrong in it at the end."""
    contexts: list[BrowserContext] = []
    trouble: list[str] = []

    async def opened(size: tuple[int, int] = (1280, 900), scheme: str = "light") -> Page:
        context = await browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        contexts.append(context)
        page = await context.new_page()
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("console", lambda said: note(said, trouble))
        await page.goto(f"{service}/?seed={SEED}")
        return page

    yield opened
    for context in contexts:
        await context.close()
    assert not trouble


def note(said: ConsoleMessage, trouble: list[str]) -> None:
    """Keep what the console calls an error, except the refusals that a test arranged."""
    if said.type == "error" and not any(status in said.text for status in ("401", "503")):
        trouble.append(said.text)


async def connect(page: Page, button: str) -> None:
    """Click, and wait until a first window was taken in."""
    await page.get_by_role("button", name=button).click()
    ready, alert = page.locator("#question:enabled"), page.get_by_role("alert")
    await expect(ready.or_(alert)).to_be_visible(timeout=READY_MS)
    assert await ready.count(), await alert.inner_text()
    await expect(page.locator("#caption")).to_contain_text("kept", timeout=READY_MS)


async def only_session(service: str) -> dict[str, object]:
    async with httpx.AsyncClient(base_url=service, timeout=PATIENCE_S) as client:
        (session,) = (await client.get("/v1/sessions")).json()["sessions"]
    assert isinstance(session, dict)
    return session


async def until(condition: Callable[[], Awaitable[bool]], limit_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(limit_s):
        while not await condition():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.1)


async def sessions_gone(service: str) -> None:
    async def gone() -> bool:
        async with httpx.AsyncClient(base_url=service, timeout=PATIENCE_S) as client:
            return not (await client.get("/v1/sessions")).json()["sessions"]

    await until(gone)


async def ask(page: Page, question: str) -> str:
    """Type the question, send it with Enter, and read the finished answer."""
    field = page.get_by_label("Your question")
    await field.fill(question)
    await field.press("Enter")
    newest = page.locator("#answers li").first
    await expect(newest.locator(".question")).to_have_text(question)
    await expect(newest).to_have_attribute("aria-busy", "false", timeout=ANSWER_MS)
    return await newest.locator(".answer").inner_text()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core (https://github.com/dequelabs/axe-core)."""
    return (files("axe_playwright_python") / "axe.min.js").read_text()
