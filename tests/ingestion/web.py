"""A real web site on loopback whose every answer a test writes, and that remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.servers import in_background

Page = tuple[int, dict[str, str], bytes]
Answering = Callable[[BaseHTTPRequestHandler], Page | None]


def html(title: str, text: str, *links: str) -> bytes:
    anchors = "".join(f'<li><a href="{link}">to {link}</a></li>' for link in links)
    return (
        f"<html><head><title>{title}</title></head><body><nav><ul>{anchors}</ul></nav>"
        f"<main><h1>{title}</h1><p>{text}</p></main><footer>All rights reserved</footer></body></html>"
    ).encode()


class Web:
    """Pages by path; a page is bytes (HTML), (status, headers, body) or a function that answers by itself."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.pages: dict[str, bytes | Page | Answering] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.before: Callable[[str], None] = lambda path: None

    def __setitem__(self, path: str, page: Any) -> None:
        self.pages[path] = page

    def __delitem__(self, path: str) -> None:
        del self.pages[path]

    def forget(self) -> None:
        self.asked.clear()
        self.headers.clear()


@contextmanager
def serve() -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            web.asked.append(self.path)
            web.headers.append({name.lower(): value for name, value in self.headers.items()})
            web.before(self.path)
            page = web.pages.get(self.path, (404, {}, b"no such page"))
            if callable(page):
                page = page(self)
                if page is None:
                    return
            status, headers, body = page if isinstance(page, tuple) else (200, {}, page)
            if isinstance(page, bytes):
                headers = {"Content-Type": "text/html; charset=utf-8"}
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 304 and "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if status != 304:
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a reader that hung up is what some tests are about

    server = Server(("127.0.0.1", 0), Handler)
    web = Web(server.server_address[1])
    thread = in_background(server)
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
