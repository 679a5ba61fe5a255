"""A shop with a blog: comments that are asked for by GraphQL and written by REST."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from tests.servers.vendor import Asked, Said, VendorServer

TOKEN, SECRET = "shpat_of_the_tests", "hush of the tests"
#: REST: what a comment has to have (shopify.dev, "Comment"; design, section 7).
REQUIRED = {"body": str, "author": str, "email": str, "ip": str, "blog_id": int, "article_id": int}


class Shop(VendorServer):
    """`comments` by their numbers; `written` are those that came by REST."""

    def __init__(self) -> None:
        self.comments: dict[int, dict[str, Any]] = {}
        self.written: list[dict[str, Any]] = []
        self._numbers = count(512)
        super().__init__()

    def check(self, asked: Asked) -> list[str]:
        if not re.fullmatch(r"/admin/api/2026-07/(graphql|comments)\.json", asked.path) or asked.method != "POST":
            return ["unknown"]
        if asked.path.endswith("/graphql.json"):
            return [] if set(asked.data()) == {"query", "variables"} else ["no query"]
        comment = asked.data().get("comment", {})
        found = [
            f"{name} is no {kind.__name__}" for name, kind in REQUIRED.items() if type(comment.get(name)) is not kind
        ]
        return found + [f"{name} is unknown" for name in comment if name not in REQUIRED]

    def says(self, text: str = "Does PTFE hose work with E85?", **changes: Any) -> int:
        """Somebody writes below an article."""
        number = next(self._numbers)
        values = {
            "name": "Kim Tran",
            "email": "Kim@customer.test",
            "article": 9,
            "blog": 4,
            "status": "PUBLISHED",
            **changes,
        }
        self.comments[number] = {
            "id": f"gid://shopify/Comment/{number}", "body": text, "status": values["status"],
            "createdAt": values.get("at") or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "author": {"name": values["name"], "email": values["email"]},
            "article": {
                "id": f"gid://shopify/Article/{values['article']}", "title": "Hoses for E85",
                "blog": {"id": f"gid://shopify/Blog/{values['blog']}"},
            },
        }  # fmt: skip
        return number

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("x-shopify-access-token") != TOKEN:
            return 401, {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
        if asked.path.endswith("/comments.json"):
            return self._write(asked.data()["comment"])
        data = asked.data()
        query, given = data["query"], data["variables"]
        found = [self.comments[number] for number in sorted(self.comments)]
        if query.startswith("query Newest"):
            return 200, {"data": {"comments": {"nodes": [{"id": one["id"]} for one in found[-1:]]}}}
        if query.startswith("query After"):
            above = int(given["query"].removeprefix("id:>"))
            found = [one for one in found if int(one["id"].rpartition("/")[2]) > above][: given["first"]]
            return 200, {"data": {"comments": {"nodes": found}}}
        if query.startswith("query OfArticle"):
            found = [one for one in found if one["article"]["id"] == given["id"]][::-1][: given["first"]]
            return 200, {"data": {"article": {"comments": {"nodes": found}}}}
        return 200, {"data": {"shop": {"name": "Acme"}, "comments": {"nodes": []}}}

    def _write(self, comment: dict[str, Any]) -> Said:
        number = self.says(
            comment["body"], name=comment["author"], email=comment["email"], article=comment["article_id"],
            blog=comment["blog_id"],
        )  # fmt: skip
        self.written.append(comment)
        return 201, {"comment": {"id": number, "status": "published", **comment}}


@contextmanager
def running() -> Iterator[Shop]:
    server = Shop()
    try:
        yield server
    finally:
        server.close()
