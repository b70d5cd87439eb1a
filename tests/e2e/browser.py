"""A real browser on a real service: Debian's Chromium, driven through Playwright."""

import base64
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:  # it is a dependency of these tests alone, which skip without it
    from playwright.sync_api import Browser, BrowserContext, Page

    Named = tuple[str, bytes]

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_AXE = "axe-core@4.14.1"
# Under load the two cores of a CI machine take their time.
_PATIENCE_MS = 30_000

# Makes files from texts in base64, and hands them to the page as a mouse or a keyboard would.
_GIVE = """({ kind, files }) => {
  const transfer = new DataTransfer();
  for (const [name, data] of files) {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type: "image/png" }));
  }
  const options = { bubbles: true, cancelable: true };
  const event = kind === "drop"
    ? new DragEvent("drop", { ...options, dataTransfer: transfer })
    : new ClipboardEvent("paste", { ...options, clipboardData: transfer });
  document.getElementById("drop").dispatchEvent(event);
}"""


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Start the browser, or skip the test where it or Playwright is missing."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="there is no Playwright here")
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        pytest.skip(f"there is none of {', '.join(_PROGRAMS)} here")
    sync_api.expect.set_options(timeout=_PATIENCE_MS)
    with sync_api.sync_playwright() as playwright:
        browser: Browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


class Visit:
    """One visit to the page: what was asked for, and what went wrong."""

    def __init__(self, context: "BrowserContext", url: str) -> None:
        """Open a tab, and note every request and every complaint."""
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        self.url = url
        context.set_default_timeout(_PATIENCE_MS)
        context.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self._note(said.type, said.text))

    def _note(self, kind: str, text: str) -> None:
        # The browser itself reports every answer of 4xx and 5xx, which some tests ask for.
        if kind in ("error", "warning") and "Failed to load resource" not in text:
            self.complaints.append(text)

    def open(self, path: str = "/") -> "Page":
        """Go to a path of the service."""
        self.page.goto(self.url + path)
        return self.page

    def give(self, kind: str, files: Sequence["Named"]) -> None:
        """Drop or paste files, each a name and its bytes."""
        worded = [[name, base64.b64encode(data).decode()] for name, data in files]
        self.page.evaluate(_GIVE, {"kind": kind, "files": worded})

    def ended_well(self) -> None:
        """Make sure that nothing left the host and nothing went wrong unseen."""
        assert self.hosts == {urlsplit(self.url).netloc}
        assert self.complaints == []


def axe_script(folder: Path) -> str:
    """Fetch axe-core through npm, or skip the test: its licence is not ours to pass on."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm here, which brings axe-core")
    try:
        command = [npm, "pack", _AXE, "--silent", "--pack-destination", str(folder)]
        subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=folder)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"npm cannot bring {_AXE}: {error}")
    with tarfile.open(next(folder.glob("axe-core-*.tgz"))) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()
