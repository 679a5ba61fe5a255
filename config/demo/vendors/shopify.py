"""Shopify, as far as the desk's channel speaks to it: comments below articles are asked for, and one is written."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from config.demo.vendors.stand_in import Answer, Channel, Request, Said, StandIn, Talk
from conversations.channels.shopify.facts import COMMENTS, GRAPHQL

BLOG, ARTICLE, TITLE = 700, 9000, "What fits what: ask below"
#: As the demo's channel signs its comments.
AUTHOR, ADDRESS = "Hot Rod AN", "support@hotrodan.example"
COLLEAGUES_ADDRESS = "joel@hotrodan.example"


class Shopify(StandIn):
    """Nothing is posted to the desk: it asks every minute. A talk is what one person writes below one article."""

    key, label, hosts = "shopify", "Comments in the shop", frozenset({"hotrodan.myshopify.com"})
    begins = "Write a comment below an article; the desk asks for new ones every minute"

    def __init__(self, channel: Channel, talks: list[Talk]) -> None:
        # A demo that was made before this stand-in was has talks below no article.
        super().__init__(channel, [talk for talk in talks if talk.id.startswith(f"{BLOG}/")])

    def call(self, asked: Request) -> Answer:
        if asked.headers.get("x-shopify-access-token") != self.channel.secret:
            return 401, {"errors": "[API] Invalid API key or access token"}, {}
        with self.lock:
            if asked.path == GRAPHQL and asked.method == "POST":
                given = json.loads(asked.body)
                return 200, {"data": self._found(given["query"], given.get("variables") or {})}, {}
            if asked.path == COMMENTS and asked.method == "POST":
                return self._written(json.loads(asked.body)["comment"])
        return 404, {"errors": "Not Found"}, {}

    def _found(self, query: str, given: dict[str, Any]) -> dict[str, Any]:
        there = sorted(((talk, one) for talk in self.talks for one in talk.said), key=lambda pair: int(pair[1].id))
        if query.startswith("query After"):
            after = int(str(given["query"]).rpartition(">")[2])
            newer = [pair for pair in there if int(pair[1].id) > after]
            return {"comments": {"nodes": self._nodes(newer[: int(given["first"])])}}
        if query.startswith("query OfArticle"):
            below = [pair for pair in there if _article(pair[0]) == str(given["id"]).rpartition("/")[2]]
            return {"article": {"comments": {"nodes": self._nodes(below[::-1][: int(given["first"])])}}}
        return {"shop": {"name": "Hot Rod AN"}, "comments": {"nodes": self._nodes(there[-1:])}}

    def _nodes(self, pairs: Iterable[tuple[Talk, Said]]) -> list[dict[str, Any]]:
        return [
            {
                "id": f"gid://shopify/Comment/{said.id}",
                "body": said.text,
                "status": "PUBLISHED",
                "createdAt": datetime.fromtimestamp(said.at, UTC).isoformat(),
                "author": self._author(talk, said),
                "article": {
                    "id": f"gid://shopify/Article/{_article(talk)}",
                    "title": talk.title,
                    "blog": {"id": f"gid://shopify/Blog/{BLOG}"},
                },
            }
            for talk, said in pairs
        ]

    def _author(self, talk: Talk, said: Said) -> dict[str, str]:
        if said.who == "desk":
            return {"name": AUTHOR, "email": ADDRESS}
        return {"name": said.name, "email": COLLEAGUES_ADDRESS if said.who == "colleague" else talk.customer}

    def _written(self, comment: dict[str, Any]) -> Answer:
        """Below an article, and in whose talk is not said: in that of whoever wrote there last."""
        if (comment.get("author"), comment.get("email")) != (AUTHOR, ADDRESS):
            return 422, {"errors": {"author": ["is not the shop's"]}}, {}
        below = [talk for talk in self.talks if _article(talk) == str(comment.get("article_id")) and talk.said]
        if not below:
            return 404, {"errors": "Not Found"}, {}
        talk = max(below, key=lambda one: one.said[-1].at)
        said = self.add(talk, "desk", AUTHOR, comment["body"])
        return 201, {"comment": {**comment, "id": int(said.id), "status": "published"}}, {}

    def begin(self, name: str, text: str) -> Talk:
        address = f"visitor-{zlib.crc32(name.casefold().encode())}@customers.example"
        with self.lock:
            if (known := self.talk(f"{BLOG}/{ARTICLE}/{address}")) is None:
                known = Talk(f"{BLOG}/{ARTICLE}/{address}", TITLE, address, name)
                self.talks.append(known)
            self.say(known, "customer", text)
        return known

    def new_message(self, talk: Talk) -> str:
        return str(self.moment())


def _article(talk: Talk) -> str:
    return talk.id.split("/")[1]
