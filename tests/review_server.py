"""The review page as its users have it: a command in a process of its own, over a run of the tag job."""

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Browser, Page

from tagger.jobs import tag
from tagger.jobs.shell.console import Console
from tagger.review.web.invitations import PATH as INVITATION
from tagger.schemas.configs.tag import TagConfig
from tests.builders import encoded, picture

TOKEN = "a-token-of-some-length"
BEARER = {"authorization": f"Bearer {TOKEN}"}
SCRIPT = "<script>document.title='broken'</script><b>Bag</b>"
ITEMS = 60


def make_run(folder: Path, bundle: Path, items: int = ITEMS, alike: int = 1, **more: object) -> Path:
    """Tag a shop of small pictures, so many of which are alike; its manifest knows 143 leaves, all go to review."""
    (folder / "images").mkdir(parents=True)
    rows = ["id,masterCategory,articleType,productDisplayName,gender"]
    for number in range(items):
        (folder / f"images/{number}.jpg").write_bytes(encoded(picture(seed=number // alike)))
        title = SCRIPT if number == 0 else f"Thing {number}"
        rows.append(f"{number},,,{title},Women")
    rows += [f"old{n},Apparel,Rare Type {n},Old thing {n},Men" for n in range(143 - 4)]
    (folder / "m.csv").write_text("\n".join(rows) + "\n")
    config = TagConfig.model_validate(
        {
            "manifest": str(folder / "m.csv"),
            "images": str(folder / "images"),
            "model": str(bundle),
            "out": str(folder / "run"),
            "max_failed": "100%",
            "accept_above": 1.0,
            **more,
        }
    )
    assert tag.run(config, Console(silent=True, as_json=True)) == 0
    return folder / "run"


def cookies_of(reviewer: "Reviewer") -> list[Any]:
    """The cookies of a browser without a window, for one that has some."""
    url = str(reviewer.http.base_url)
    return [{"name": cookie.name, "value": cookie.value or "", "url": url} for cookie in reviewer.http.cookies.jar]


class ReviewServer:
    """`tagger review`, from its start to its end."""

    def __init__(self, run: Path, *flags: str, env: dict[str, str] | None = None) -> None:
        command = [
            sys.executable,
            "-m",
            "tagger.jobs.review",
            "--run",
            str(run),
            "--port",
            "0",
            "--reviewer",
            "Ann",
            *flags,
        ]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
            cwd=Path(__file__).parent.parent,
        )
        assert self.process.stdout
        self.first = self.process.stdout.readline()
        found = re.search(r"http://\S+:(\d+)/", self.first)
        assert found, self.first + (self.process.stderr.read() if self.process.stderr else "")
        self.port = int(found[1])
        self.url = f"http://127.0.0.1:{self.port}"
        link = re.search(rf"{INVITATION}\S+", self.first)
        self.link = link[0] if link else None
        """The path by which the lead comes in; None where there is a token."""
        self._lead: Reviewer | None = None
        self._clients: list[Reviewer] = []

    def client(self, who: str = "Ann", role: str = "lead") -> "Reviewer":
        """A browser without a window, in which somebody has used an invitation."""
        client = self.stranger()
        client.join(self.invite(who, role))
        return client

    def stranger(self, **more: object) -> "Reviewer":
        """The same, without a session of its own."""
        client = Reviewer(self.url, **more)
        self._clients.append(client)
        return client

    def page(self, browser: Browser, who: str = "Ann", role: str = "lead", **options: object) -> Page:
        """A page of a browser with a window of its own, in which somebody has used an invitation."""
        page = browser.new_page(base_url=self.url, **options)  # type: ignore[arg-type]
        page.context.add_cookies(cookies_of(self.client(who, role)))
        return page

    def invite(self, who: str, role: str = "reviewer") -> str:
        """Have the lead, who comes in by the printed link, invite somebody; return the path of the invitation."""
        if self._lead is None:
            assert self.link, "there is a token"
            # no connection waits for the next invitation: the server may close it, and this client does not ask again
            self._lead = self.stranger(limits=httpx2.Limits(max_keepalive_connections=0))
            self._lead.join(self.link)
        return self._lead.invite(who, role)

    def stop(self) -> str:
        """End it as Ctrl-C does; return what it said."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=30)
        self._close()
        assert self.process.returncode == 0, err
        return out

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.communicate(timeout=30)
        self._close()

    def _close(self) -> None:
        for client in self._clients:  # else their sockets are found open in whatever test comes next
            client.http.close()

    def __enter__(self) -> "ReviewServer":
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.kill()
        self._close()


class Reviewer:
    """Reads the page's own forms, fills them in, and sends them, as a browser without a script does."""

    def __init__(self, url: str, **more: object) -> None:
        self.http = httpx2.Client(base_url=url, follow_redirects=True, timeout=30, **more)  # type: ignore[arg-type]
        self.page = ""

    def join(self, invitation: str) -> httpx2.Response:
        """Use an invitation, by its path, and open no page yet: that would claim an item."""
        answer = self.http.post(invitation, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return answer

    def invite(self, who: str, role: str = "reviewer") -> str:
        """Invite somebody, as a lead; return the path of the invitation."""
        page = self.http.get("/people").text
        csrf = re.search(r'name="csrf" value="([^"]*)"', page)
        assert csrf, page
        answer = self.http.post("/people", data={"csrf": csrf[1], "name": who, "role": role})
        link = re.search(rf'value="http[^"]*({INVITATION}[^"]*)"', answer.text)
        assert link, answer.text
        return link[1]

    def open(self, address: str) -> str:
        """Load a page."""
        answer = self.http.get(address)
        assert answer.status_code == 200, answer.text
        self.page = answer.text
        return self.page

    def field(self, name: str) -> str:
        """A hidden field of the page's form."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.page)
        assert found, f"no field {name}"
        return found[1]

    @property
    def position(self) -> int:
        """Number of the item that is shown."""
        found = re.search(r'action="/items/(\d+)/decision', self.page)
        assert found, self.page
        return int(found[1])

    def answer(self, key: str) -> httpx2.Response:
        """Press the button that a key presses on an item's page."""
        button = re.search(rf'<button name="say" value="([^"]*)" data-key="{key}', self.page)
        assert button, f"no button for {key}"
        return self.decide(button[1])

    def decide(self, say: str) -> httpx2.Response:
        """Send an answer about the item that is shown."""
        return self.post(
            f"/items/{self.position}/decision", say=say, expected=self.field("expected"), csrf=self.field("csrf")
        )

    def post(self, address: str, **fields: object) -> httpx2.Response:
        """Send a form."""
        answer = self.http.post(address, data=fields)
        if answer.headers.get("content-type", "").startswith("text/html"):
            self.page = answer.text
        return answer
