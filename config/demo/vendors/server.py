"""One server for all stand-ins: asked by a vendor's name it is that vendor's API, asked by this machine's it shows pages."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from config.demo.vendors import page
from config.demo.vendors.stand_in import Request, StandIn, Talk

MOST_BYTES = 1 << 20
HERE = {"127.0.0.1", "localhost"}


def serve(port: int, vendors: Sequence[StandIn], *, desk: str) -> ThreadingHTTPServer:
    """A server on this machine alone, not begun yet; `desk` is the address of the demo."""

    class Handler(BaseHTTPRequestHandler):
        server_version, protocol_version = "stand-in", "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if length > MOST_BYTES:
                return self._say(413, "Too long", "text/plain")
            body = self.rfile.read(length)
            host = (self.headers.get("Host") or "").partition(":")[0].lower()
            vendor = next((one for one in vendors if host in one.hosts), None)
            if vendor is not None:
                return self._api(vendor, body)
            if host not in HERE:
                return self._say(404, "Nobody here has this name.", "text/plain")
            return self._page(body)

        do_GET = do_POST = do_PUT = do_PATCH = answer

        def _api(self, vendor: StandIn, body: bytes) -> None:
            url = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, data, more = vendor.call(Request(self.command, url.path, query, headers, body))
            self._say(status, json.dumps(data), "application/json", more)

        def _page(self, body: bytes) -> None:
            parts = [urllib.parse.unquote(part) for part in urllib.parse.urlsplit(self.path).path.strip("/").split("/")]
            vendor = next((one for one in vendors if one.key == parts[0]), None)
            talk = vendor.talk(parts[1]) if vendor and len(parts) == 2 else None
            if self.command == "POST":
                return (
                    self._said(vendor, talk, body) if vendor else self._say(404, "There is no such page.", "text/plain")
                )
            if vendor and talk:
                return self._say(200, page.talk(vendor, talk, desk=desk))
            if parts != [""]:
                return self._say(404, page.wrong("There is no such talk", desk=desk))
            return self._say(200, page.start(vendors, desk=desk))

        def _said(self, vendor: StandIn, talk: Talk | None, body: bytes) -> None:
            # Another site's page must not speak in the visitor's name, not even in a demo.
            if self.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
                return self._say(403, page.wrong("This came from another page", desk=desk))
            given = {
                name: values[0].strip()
                for name, values in urllib.parse.parse_qs(body.decode("utf-8", "replace")).items()
            }
            text, name = given.get("text", "")[:4000], given.get("name", "")[:80]
            if not text or (talk is None and not name):
                return self._say(422, page.wrong("Write something, and say who you are", desk=desk))
            if talk is None:
                talk = vendor.begin(name, text)
            else:
                vendor.say(talk, "colleague" if given.get("who") == "colleague" else "customer", text)
            return self._say(
                303, "", "text/plain", {"Location": f"/{vendor.key}/{urllib.parse.quote(talk.id, safe='')}/"}
            )

        def _say(self, status: int, words: str, kind: str = "text/html", more: dict[str, str] | None = None) -> None:
            content = words.encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": f"{kind}; charset=utf-8",
                "Cache-Control": "no-store",
                **(more or {}),
            }.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)
