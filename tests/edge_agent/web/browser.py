"""A real headless Chromium, driven by chromedriver (W3C WebDriver over HTTP)."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.edge_agent.support import wait_until
from tools import unpacked

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """One window of a browser of its own."""

    def __init__(self, command: Sequence[str], folder: Path, *, dark: bool = False) -> None:
        log = folder / "chromedriver.log"
        with log.open("wb") as stream:
            self._driver = subprocess.Popen([*command, "--port=0"], stdout=stream, cwd=folder)
        wait_until(lambda: b"successfully on port" in log.read_bytes(), "chromedriver", 120)
        self._port = int(log.read_text().rpartition("successfully on port ")[2].split(".")[0])
        arguments = ["--headless", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,860"]
        arguments += ["--force-dark-mode"] if dark else []
        options: dict[str, Any] = {"args": [*arguments, f"--user-data-dir={folder / 'profile'}"]}
        if (binary := unpacked.BUILD / "chromedriver" / "usr/lib/chromium/chromium").exists():
            options["binary"] = str(binary)
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        answer = self._call("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/{answer['sessionId']}"

    def close(self) -> None:
        """End it."""
        try:
            self._call("DELETE", self._session)
        finally:
            self._driver.terminate()
            self._driver.wait()

    def open(self, url: str) -> None:
        """Go there."""
        self._call("POST", f"{self._session}/url", {"url": url})

    def text(self, selector: str) -> str:
        """What is seen of an element; empty where there is none."""
        return str(self.run(f"return document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def type(self, selector: str, text: str) -> None:
        """Type into it; for a file input the path of a file."""
        self._call("POST", f"{self._session}/element/{self._find(selector)}/value", {"text": text})

    def run(self, script: str) -> Any:
        """The value of a script."""
        return self._call("POST", f"{self._session}/execute/sync", {"script": script, "args": []})

    def complaints(self) -> list[str]:
        """What the console says: a blocked resource, an error of the script."""
        return [entry["message"] for entry in self._call("POST", f"{self._session}/se/log", {"type": "browser"})]

    def screenshot(self, path: Path) -> None:
        """A PNG of the window."""
        path.write_bytes(base64.b64decode(self._call("GET", f"{self._session}/screenshot")))

    def _find(self, selector: str) -> str:
        using = {"using": "css selector", "value": selector}
        return str(self._call("POST", f"{self._session}/element", using)[_ELEMENT])

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        connection.request(method, f"/session{path}", None if body is None else json.dumps(body))
        answer = json.loads(connection.getresponse().read())["value"]
        connection.close()
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer
