"""Comments out, by REST: everybody can read them, and nothing takes them back (docs/decisions/0079)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from conversations.channels.base import ChannelError, Failure, Outbound, Receipt
from conversations.channels.shopify.api import ask, number_of, shop
from conversations.channels.shopify.comments import is_ours
from conversations.channels.shopify.facts import COMMENTS, OF_ARTICLE
from conversations.channels.shopify.settings import ShopifySettings

#: Comments of an article that are looked through for one of ours.
LOOKED_THROUGH = 100


@dataclass(frozen=True, slots=True)
class ShopifyAdapter:
    settings: ShopifySettings
    token: str = field(repr=False)

    def problems(self, outbound: Outbound) -> Sequence[str]:
        found = (
            [] if _place(outbound) else ["This conversation has no article in the shop, so there is nothing to answer."]
        )
        if outbound.cc or outbound.bcc:
            found.append("A comment has no copies: everybody can read it.")
        return found

    def send(self, outbound: Outbound, *, before_handover: Callable[..., None]) -> Receipt:
        """Raises ChannelError; see http.Vendor.write."""
        answer = shop(self.settings, self.token).write(
            "POST", COMMENTS, {"comment": self._comment(outbound)}, before_handover=before_handover
        )
        said = answer.data().get("comment")
        comment: dict[str, Any] = said if isinstance(said, dict) else {}
        name = str(comment.get("id") or "")
        if not name:
            detail = (
                "Shopify answered without the comment. It may or may not stand there; look before sending it again."
            )
            raise ChannelError(Failure.UNCERTAIN, detail, response=answer.words())
        return Receipt(name, f"comment {name}: {comment.get('status') or 'no status'}")

    def find(self, outbound: Outbound) -> Receipt | None:
        """Among the newest comments of the article: ours, with the same words."""
        blog, _, article = _place(outbound).partition("/")
        if not article:
            return None
        gid = f"gid://shopify/Article/{article}"
        found = ask(self.settings, self.token, OF_ARTICLE, id=gid, first=LOOKED_THROUGH)
        nodes = ((found.get("article") or {}).get("comments") or {}).get("nodes") or []
        said = _words(outbound.body_text)
        for node in nodes:
            if is_ours(node["author"], self.settings) and _words(str(node["body"])) == said:
                name = number_of(node["id"])
                return Receipt(str(name), f"It stands below the article of blog {blog} as comment {name}.")
        return None

    def _comment(self, outbound: Outbound) -> dict[str, Any]:
        blog, _, article = _place(outbound).partition("/")
        return {
            "body": outbound.body_text,
            "author": self.settings.author,
            "email": outbound.sender.address,
            "ip": str(self.settings.ip),
            "blog_id": int(blog),
            "article_id": int(article),
        }


def _place(outbound: Outbound) -> str:
    """Blog and article of a thread's id; "" where it is none of Shopify's."""
    found = re.match(r"([0-9]{1,20}/[0-9]{1,20})/.", outbound.thread_id, re.ASCII)
    return found[1] if found else ""


def _words(text: str) -> str:
    return " ".join(text.split())
