"""The review as a command: who gets in, what a page may do, and what a flood of requests breaks."""

import os
import re
import socket
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx2
import psutil
from PIL import Image

from tests.builders import encoded
from tests.conftest import Outcome
from tests.review_server import BEARER, TOKEN, ReviewServer

Run = Callable[..., Outcome]
_FLOOD_REQUESTS = 150


def test_each_answer_says_what_a_page_may_load_and_that_nobody_else_may_frame_it(server: ReviewServer) -> None:
    client = server.stranger()
    cookie = client.join(server.invite("Ann", "lead")).headers["set-cookie"].lower()
    answer = client.http.get("/queue")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "httponly" in cookie and "samesite=lax" in cookie
    assert "<script>" not in answer.text and "style=" not in answer.text and "onclick" not in answer.text


def test_images_come_by_number_and_by_nothing_else(server: ReviewServer, run: Path) -> None:
    client = server.client()
    good = client.http.get("/images/1")
    assert (good.status_code, good.headers["content-type"]) == (200, "image/jpeg")
    for path in ("/images/0", "/images/9999", "/images/-1"):
        assert client.http.get(path).status_code in (404, 422)
    for path in ("/images/..%2f..%2fm.csv", "/images/%2e%2e/run.json", "/static/..%2fapp.py", "/static/%2e%2e/app.py"):
        answer = client.http.get(path)
        assert answer.status_code in (404, 422), path
        assert "import" not in answer.text and "productDisplayName" not in answer.text


def test_a_form_of_another_page_is_refused(server: ReviewServer) -> None:
    client = server.client()
    client.open("/queue")
    address, csrf = f"/items/{client.position}/decision", client.field("csrf")
    assert client.http.post(address, data={"say": "master"}).status_code == 403
    assert client.http.post(address, data={"say": "master", "csrf": "0" * 64}).status_code == 403
    forged = client.http.post(address, data={"say": "master", "csrf": csrf}, headers={"origin": "http://evil.example"})
    assert forged.status_code == 403
    other = server.client()
    other.open("/queue")
    assert client.http.post(address, data={"say": "master", "csrf": other.field("csrf")}).status_code == 403


def test_another_name_for_this_machine_is_refused(server: ReviewServer) -> None:
    assert httpx2.get(f"{server.url}/queue", headers={"host": "evil.example"}).status_code == 421
    assert httpx2.get(f"http://localhost:{server.port}/sign-in").status_code == 200


def test_another_sites_page_can_neither_load_anything_nor_take_items(server: ReviewServer) -> None:
    image = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert httpx2.get(f"{server.url}/grid", headers=image, follow_redirects=True).status_code == 403
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert httpx2.get(f"{server.url}/queue", headers=link).status_code == 401, "a link in a mail opens"


def test_behind_a_proxy_the_public_address_counts(run: Path, fresh: list[str], tagger: Run) -> None:
    public = ["--public-url", "https://review.shop.example"]
    assert tagger("review", "--run", run, *public).code == 2, "it needs a token"
    with ReviewServer(run, *fresh, *public, "--token", TOKEN) as server:
        seen = {"host": "review.shop.example", "origin": "https://review.shop.example"}
        answer = httpx2.post(f"{server.url}/sign-in", data={"token": TOKEN}, headers=seen)
        assert answer.status_code == 303
        assert "secure" in answer.headers["set-cookie"].lower()
        foreign = {**seen, "origin": "https://evil.example"}
        assert httpx2.post(f"{server.url}/sign-in", data={"token": TOKEN}, headers=foreign).status_code == 403


def test_any_place_but_this_machine_needs_a_token(run: Path, tagger: Run) -> None:
    outcome = tagger("review", "--run", run, "--host", "0.0.0.0")
    assert outcome.code == 2
    assert "TAGGER_REVIEW_TOKEN" in outcome.err
    assert tagger("review", "--run", run, "--host", "0.0.0.0", "--token", "short").code == 2
    weak = tagger("review", "--run", run, "--host", "0.0.0.0", "--token", "aaaaaaaaaaaa")
    assert weak.code == 2 and "easily guessed: it has only 1 different characters" in weak.err


def test_half_sent_requests_lock_nobody_out(server: ReviewServer) -> None:
    held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(300)]
    for connection in held:
        with suppress(OSError):
            connection.sendall(b"GET / HTTP/1.1\r\nx-a: ")
    client = server.client()
    assert "/decision" in client.open("/queue")
    assert client.answer("m").status_code == 200
    client.post("/undo", csrf=client.field("csrf"))
    for connection in held:
        connection.close()


def test_a_small_file_of_very_many_pixels_costs_the_page_no_memory(server: ReviewServer) -> None:
    client = server.client()
    client.open("/try")
    data = encoded(Image.new("L", (12_000, 8000)), "PNG")
    assert len(data) < 400_000
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    files = {"image": ("x.png", data)}
    answer = client.http.post("/try", data={"csrf": client.field("csrf")}, files=files)
    assert answer.status_code == 422 and "save it smaller" in answer.text
    assert process.memory_info().rss - before < 100 * 2**20


def test_nobody_gets_in_without_the_token(run: Path, fresh: list[str]) -> None:
    env = {**os.environ, "TAGGER_REVIEW_TOKEN": TOKEN}
    with ReviewServer(run, "--host", "0.0.0.0", *fresh, env=env) as server:
        stranger = server.stranger().http
        for path in (
            "/queue",
            "/grid",
            "/images/1",
            "/images/1/1",
            "/items/1",
            "/items/1/images/1",
            "/leaves.json",
            "/try",
            "/queue?token=wrong-token-entirely",
        ):
            answer = stranger.get(path)
            assert answer.status_code == 401, path
            assert "Thing" not in answer.text
        assert stranger.post("/items/1/decision", data={"say": "master"}).status_code == 401
        assert stranger.post("/sign-in", data={"token": "wrong", "who": "x"}).status_code == 403
        bearer = server.stranger(headers=BEARER)
        name = re.search("tagger_review_[0-9a-f]+", str(bearer.http.get("/try").request.headers))
        assert name
        assert stranger.get("/queue", headers={"cookie": f"{name[0]}=forged.value"}).status_code == 401
        without_cookies = httpx2.get(f"{server.url}/queue?began=1", headers=BEARER)
        assert (without_cookies.status_code, "needs cookies" in without_cookies.text) == (400, True)
        ann = server.stranger()
        ann.page = ann.http.get("/items/7?order=certain").text
        assert ann.field("back") == "/items/7?order=certain"
        assert ann.post("/sign-in", token=TOKEN, back=ann.field("back")).url.path == "/items/7"
        assert "<summary>Ann</summary>" in ann.page
        for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example"):
            landed = server.stranger().post("/sign-in", token=TOKEN, back=elsewhere)
            assert (landed.url.host, landed.url.path) == ("127.0.0.1", "/")
        assert server.stranger(headers=BEARER).open("/queue")
        cookie = ann.http.cookies
    with ReviewServer(
        run, "--host", "0.0.0.0", *fresh, env={**env, "TAGGER_REVIEW_TOKEN": "another-token-now"}
    ) as other:
        assert other.stranger(cookies=cookie).http.get("/queue").status_code == 401, "a new token ends old sessions"


def _flood(url: str, cookies: httpx2.Cookies) -> Counter[int]:
    """How often each status was the answer to one request after the other; 0 stands for none."""
    statuses: Counter[int] = Counter()
    with httpx2.Client(base_url=url, timeout=30, cookies=cookies) as client:
        for _ in range(_FLOOD_REQUESTS):
            try:
                statuses[client.get("/queue").status_code] += 1
            except httpx2.TransportError:
                statuses[0] += 1
    return statuses


def test_a_flood_is_served_or_refused_and_breaks_nothing(run: Path, fresh: list[str]) -> None:
    decided = 0
    with ReviewServer(run, *fresh) as server, ThreadPoolExecutor(4) as pool:
        client = server.client()
        floods = [pool.submit(_flood, server.url, server.client("Bob").http.cookies) for _ in range(4)]
        while not all(flood.done() for flood in floods):
            if client.http.get("/queue").status_code == 200 and decided < 5:
                client.open("/queue")
                if "/decision" in client.page:
                    decided += client.answer("m").status_code == 200
        by_status = sum((flood.result() for flood in floods), Counter())
        assert set(by_status) <= {200, 303, 503}, by_status
        assert by_status[200] > 50
        assert server.client().http.get("/queue").status_code == 200
        assert decided > 0
