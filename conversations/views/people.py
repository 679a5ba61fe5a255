"""A person's own pages: preferences, notifications, and which account they work in."""

from __future__ import annotations

import uuid
import zoneinfo
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from conversations.models import Notification, Role, User
from conversations.tenancy import SESSION_KEY, memberships_of, require_tenant
from conversations.views.access import person, signed_in
from conversations.views.words import clock_for

NOTICES = 50
HOLDS = [
    ("", "As my account says"),
    ("0", "Send at once"),
    ("5", "5 seconds"),
    ("10", "10 seconds"),
    ("20", "20 seconds"),
    ("60", "60 seconds"),
    ("3600", "Until I press Send"),
]
KEYS = [("on", "On"), ("alt", "With Alt"), ("off", "Off")]
THEMES = [("auto", "As my device"), ("light", "Light"), ("dark", "Dark")]
SECURITY = (
    ("account_change_password", "Change password"),
    ("mfa_index", "Two-factor and passkeys"),
    ("socialaccount_connections", "Company accounts"),
)
#: Title and words of each kind of notification; the words are filled from its payload.
NOTICE_WORDS = {
    Notification.Type.DRAFT_READY: ("A draft is ready", "{customer}"),
    Notification.Type.DRAFT_FAILED: (
        "A draft could not be written",
        "Write the reply yourself, or ask for another draft.",
    ),
    Notification.Type.CAME_BACK: (
        "A reply you approved came back",
        "{customer} wrote again before it left. It was not sent.",
    ),
    Notification.Type.SEND_FAILED: (
        "A reply could not be sent",
        "The approved text is kept. Send it again or give up.",
    ),
    Notification.Type.SEND_UNCERTAIN: (
        "Was this reply sent?",
        "We cannot tell. Check with the channel, then settle it.",
    ),
    Notification.Type.BOUNCED: ("A reply bounced", "The customer's server did not take it."),
    Notification.Type.JOB_FAILED: ("A job failed", "{error}"),
}


class PreferencesForm(forms.Form):
    """How the desk behaves for one person, everywhere."""

    display_name = forms.CharField(max_length=120, required=False, label="Name shown to colleagues")
    hold_seconds = forms.ChoiceField(
        choices=HOLDS,
        required=False,
        label="Hold an approved reply before it is sent",
        help_text="While it is held you can take it back with Undo or Z.",
    )
    single_keys = forms.ChoiceField(
        choices=KEYS, label="Single-key shortcuts", help_text="With Alt, each letter needs Alt held down."
    )
    theme = forms.ChoiceField(choices=THEMES, label="Theme")
    time_zone = forms.ChoiceField(required=False, label="Time zone")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = sorted(zone for zone in zoneinfo.available_timezones() if "/" in zone and not zone.startswith("Etc/"))
        self.fields["time_zone"].choices = [("", "As my account says"), ("UTC", "UTC"), *((z, z) for z in zones)]  # type: ignore[attr-defined]


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def profile(request: HttpRequest) -> HttpResponse:
    user = person(request)
    choices = user.choices
    known = {value for value, _ in HOLDS}
    hold = "" if choices.hold_seconds is None else str(choices.hold_seconds)
    initial = {
        "display_name": user.display_name,
        "hold_seconds": hold,
        "single_keys": choices.single_keys,
        "theme": choices.theme,
        "time_zone": choices.time_zone,
    }
    form = PreferencesForm(request.POST if request.method == "POST" else None, initial=initial)
    if hold not in known:
        form.fields["hold_seconds"].choices = [*HOLDS, (hold, f"{hold} seconds")]  # type: ignore[attr-defined]
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        user.display_name = data["display_name"]
        _keep(
            user,
            hold_seconds=int(data["hold_seconds"]) if data["hold_seconds"] else None,
            single_keys=data["single_keys"],
            theme=data["theme"],
            time_zone=data["time_zone"],
        )
        messages.success(request, "Saved.")
        return _see_other(reverse("conversations:profile"))
    context = {"form": form, "account_links": _security_links()}
    return render(request, "conversations/profile.html", context, status=422 if form.errors else 200)


@require_POST
@signed_in
def preferences(request: HttpRequest) -> HttpResponse:
    """One choice made where it matters: the theme in the top bar, the keys in their own list."""
    wanted = {
        "theme": (request.POST.get("theme"), dict(THEMES)),
        "single_keys": (request.POST.get("keys"), dict(KEYS)),
    }
    chosen = {name: value for name, (value, known) in wanted.items() if value in known}
    if not chosen:
        return HttpResponse("Choose one of the values offered. Nothing was changed.", status=422)
    _keep(person(request), **chosen)
    return HttpResponse(status=204)


def _keep(user: User, **chosen: Any) -> None:
    user.preferences = {**user.choices.model_dump(), **chosen}
    user.save(update_fields=["preferences", "display_name"])


def _security_links() -> list[dict[str, str]]:
    links = []
    for name, label in SECURITY:
        try:
            links.append({"url": reverse(name), "label": label})
        except NoReverseMatch:
            continue
    return links


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def switch(request: HttpRequest) -> HttpResponse:
    """Choose the account to work in. Only one's own memberships are offered or taken."""
    found = memberships_of(person(request))
    tenant = getattr(request, "tenant", None)
    if request.method == "POST":
        wanted = next((m for m in found if str(m["account_id"]) == request.POST.get("account", "")), None)
        if wanted is None:
            raise Http404("You are not a member of that account.")
        request.session[SESSION_KEY] = str(wanted["account_id"])
        return _see_other("/queue/")
    items = [
        {
            "id": m["account_id"],
            "name": m["name"],
            "role": Role(m["role"]).label,
            "current": tenant is not None and m["account_id"] == tenant.account_id,
        }
        for m in found
    ]
    return render(request, "conversations/switch.html", {"memberships": items})


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def notices(request: HttpRequest) -> HttpResponse:
    """What happened out of sight, newest first. POST marks one's own as read."""
    require_tenant(request)
    user, clock = person(request), clock_for(request)
    mine = Notification.objects.for_person(user.pk)
    if request.method == "POST":
        Notification.objects.filter(user_id=user.pk, read_at__isnull=True).update(read_at=timezone.now())
        return redirect("conversations:notices")
    if before := _uuid(request.GET.get("before", "")):
        mine = mine.filter(pk__lt=before)
    found = list(mine[: NOTICES + 1])
    shown = found[:NOTICES]
    context = {
        "notices": [
            {
                "title": NOTICE_WORDS[Notification.Type(notice.type)][0],
                "text": _fill(NOTICE_WORDS[Notification.Type(notice.type)][1], notice.payload),
                "at": clock.stamp(notice.created_at),
                "at_iso": notice.created_at.isoformat(timespec="seconds"),
                "url": _notice_url(notice.payload),
                "unread": notice.read_at is None,
            }
            for notice in shown
        ],
        "any_unread": any(notice.read_at is None and notice.user_id == user.pk for notice in shown),
        "more_url": f"?before={shown[-1].pk}" if len(found) > NOTICES else "",
    }
    return render(request, "conversations/notices.html", context)


def _fill(words: str, payload: dict[str, Any]) -> str:
    class Known(dict[str, Any]):
        def __missing__(self, key: str) -> str:
            return ""

    return words.format_map(Known(payload)).strip()


def _notice_url(payload: dict[str, Any]) -> str:
    if draft := _uuid(str(payload.get("draft", ""))):
        return f"/drafts/{draft}/"  # this app knows drafts only as data
    conversation = _uuid(str(payload.get("conversation", "")))
    return reverse("conversations:detail", args=[conversation]) if conversation else ""


def _uuid(value: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(value)
    except ValueError:
        return None


def _see_other(url: str) -> HttpResponseRedirect:
    response = HttpResponseRedirect(url)
    response.status_code = 303
    return response
