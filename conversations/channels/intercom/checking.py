"""Whether Intercom takes the access token, in which region, and knows the teammate: asked, and nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence

from conversations.channels.base import ChannelError, SignInRefused
from conversations.channels.intercom.sending import open_intercom
from conversations.channels.intercom.settings import IntercomSettings
from conversations.channels.provider import Finding


def missing(settings: IntercomSettings, secret: str) -> Sequence[str]:
    """The fields without which nothing is sent."""
    return [*([] if settings.admin_id else ["admin_id"]), *([] if secret else ["credentials"])]


def check_intercom(settings: IntercomSettings, secret: str) -> Sequence[Finding]:
    """Whose the token is, and whose name replies appear in."""
    adapter = open_intercom(settings, secret)
    try:
        whose = adapter.whose()
    except ChannelError as error:
        return [_not_taken(error), Finding("no", "Teammate", "Not tried.")]
    app = whose.get("app") or {}
    found = [Finding("ok", "Token accepted", f"Workspace {app.get('name', '')} ({app.get('id_code', '')})"[:200])]
    region = str(app.get("region") or "").lower()
    if region and region != settings.region:
        remedy = "Choose that region: what is asked elsewhere may be refused, or cross a border that it must not."
        found.append(Finding("bad", "Another region", f"Intercom keeps this workspace in {region.upper()}.", remedy))
    try:
        teammate = adapter.teammate()
    except ChannelError as error:
        return [*found, Finding("bad", "Teammate not looked up", error.response or str(error), "Check again.")]
    if teammate is None:
        remedy = "The number at the end of the address of the teammate's page in Intercom's settings."
        return [*found, Finding("bad", "No such teammate", f"Intercom knows no {settings.admin_id}.", remedy)]
    return [*found, Finding("ok", "Replies appear as", str(teammate.get("name") or settings.admin_id)[:200])]


def _not_taken(error: ChannelError) -> Finding:
    if isinstance(error, SignInRefused):
        remedy = "In the Developer Hub, your app, “Authentication”. Enter the access token again."
        return Finding("bad", "Token not accepted", error.response or str(error), remedy)
    return Finding(
        "bad", "Intercom did not answer", f"{error} {error.response}".strip()[:300], "Your entries are kept."
    )
