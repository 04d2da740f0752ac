"""A real browser, headless Chromium, spoken to by its DevTools protocol; it needs tornado, which Dask brings."""

import asyncio
import base64
import json
import subprocess
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions")
PATIENCE_S = 120
BROKEN = "Array.from(document.images).filter(i => !(i.complete && i.naturalWidth > 0)).map(i => i.alt)"


@dataclass(frozen=True)
class Visit:
    """What a browser found on a page: errors of its console, addresses it asked for, images, and those not shown."""

    errors: list[str]
    requests: list[str]
    images: int
    broken: list[str]
    wider_than_window: bool


def visit(chromium: str, page: Path, screenshot: Path | None = None, width: int = 1280) -> Visit:
    """Open a page, wait until it is loaded, and say what came of it; draw all of it into a PNG if wanted."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        command = [chromium, *OPTIONS, f"--user-data-dir={home}", "--remote-debugging-port=0", "about:blank"]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            address = _address(Path(home) / "DevToolsActivePort", browser)
            return asyncio.run(_visit(address, page, screenshot, width))
        finally:
            browser.kill()
            browser.wait()


def _address(file: Path, browser: subprocess.Popen[bytes]) -> str:
    """Return where the browser's first tab listens, once it says so."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and browser.poll() is None:
        if file.is_file() and (lines := file.read_text().split()):
            with urllib.request.urlopen(f"http://127.0.0.1:{lines[0]}/json/list", timeout=PATIENCE_S) as answer:
                tabs = [tab for tab in json.load(answer) if tab["type"] == "page"]
            if tabs:
                return str(tabs[0]["webSocketDebuggerUrl"])
        time.sleep(0.1)
    raise TimeoutError(f"{browser.args} did not begin to listen")


class _Tab:
    """One tab: commands go in, answers and events come out."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self.socket, self.count, self.events = socket, 0, list[dict[str, Any]]()

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self.count += 1
        await self.socket.write_message(json.dumps({"id": self.count, "method": method, "params": params}))
        while (message := await self._next()).get("id") != self.count:
            pass
        return dict(message["result"])

    async def until(self, event: str) -> None:
        while not any(seen["method"] == event for seen in self.events):
            await self._next()

    async def _next(self) -> dict[str, Any]:
        text = await asyncio.wait_for(self.socket.read_message(), PATIENCE_S)
        if text is None:
            raise ConnectionError("the browser is gone")
        message: dict[str, Any] = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message


async def _visit(address: str, page: Path, screenshot: Path | None, width: int) -> Visit:
    tab = _Tab(await websocket_connect(address, max_message_size=2**28))
    for domain in ("Page", "Runtime", "Log", "Network"):
        await tab.ask(f"{domain}.enable")
    await tab.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    await tab.ask("Page.navigate", url=page.resolve().as_uri())
    await tab.until("Page.loadEventFired")

    async def value(expression: str) -> Any:
        answer = await tab.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return answer["result"].get("value")

    await value("Promise.all(Array.from(document.images).map(i => i.decode().catch(() => null)))")
    found = Visit(
        [json.dumps(event["params"]) for event in tab.events if _is_error(event)],
        [e["params"]["request"]["url"] for e in tab.events if e["method"] == "Network.requestWillBeSent"],
        await value("document.images.length"),
        await value(BROKEN),
        await value("document.documentElement.scrollWidth > window.innerWidth"),
    )
    if screenshot:
        size = (await tab.ask("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = await tab.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        screenshot.write_bytes(base64.b64decode(shot["data"]))
    tab.socket.close()
    while await tab.socket.read_message() is not None:  # until the other side has closed, too
        pass
    return found


def _is_error(event: dict[str, Any]) -> bool:
    method, params = event["method"], event["params"]
    return (
        method == "Runtime.exceptionThrown"
        or (method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"))
        or (method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"))
        or method == "Network.loadingFailed"
    )
