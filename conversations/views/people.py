"""A person's own pages: preferences, and which account they work in."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_http_methods, require_POST

from conversations import keys
from conversations.errors import Invalid
from conversations.models import Role, User
from conversations.tenancy import SESSION_KEY, memberships_of
from conversations.views.access import person, signed_in
from conversations.views.links import address, see_other

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
    ("account_email", "Email addresses"),
    ("mfa_index", "Two-factor and passkeys"),
    ("socialaccount_connections", "Company accounts"),
)


class PreferencesForm(forms.Form):
    """How the desk behaves for one person, everywhere."""

    display_name = forms.CharField(max_length=120, required=False, label="Name shown to colleagues")
    hold_seconds = forms.ChoiceField(
        choices=HOLDS,
        required=False,
        label="Hold an approved reply before it is sent",
        help_text="While it is held you can take it back with Undo or its key.",
    )
    single_keys = forms.ChoiceField(
        choices=KEYS, label="Single-key shortcuts", help_text="With Alt, each letter needs Alt held down."
    )
    theme = forms.ChoiceField(choices=THEMES, label="Theme")
    time_zone = forms.ChoiceField(required=False, label="Time zone")
    signature = forms.CharField(
        max_length=1000,
        required=False,
        label="Signature",
        help_text="Below replies that you wrote yourself. Empty: the channel's.",
        widget=forms.Textarea(attrs={"rows": 3, "class": "textarea"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = sorted(zone for zone in zoneinfo.available_timezones() if "/" in zone and not zone.startswith("Etc/"))
        self.fields["time_zone"].choices = [("", "As my account says"), ("UTC", "UTC"), *((z, z) for z in zones)]  # type: ignore[attr-defined]


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def profile(request: HttpRequest) -> HttpResponse:
    user = person(request)
    form = _form(user, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        user.display_name = data["display_name"]
        keep(
            user,
            hold_seconds=int(data["hold_seconds"]) if data["hold_seconds"] else None,
            single_keys=data["single_keys"],
            theme=data["theme"],
            time_zone=data["time_zone"],
            signature=data["signature"].replace("\r\n", "\n").replace("\x00", "").strip(),
        )
        messages.success(request, "Saved.")
        return see_other(reverse("conversations:profile"))
    return _profile(request, form, status=422 if form.errors else 200)


def _initial(user: User) -> dict[str, str]:
    choices = user.choices
    return {
        "display_name": user.display_name,
        "hold_seconds": "" if choices.hold_seconds is None else str(choices.hold_seconds),
        "single_keys": choices.single_keys,
        "theme": choices.theme,
        "time_zone": choices.time_zone,
        "signature": choices.signature,
    }


def _form(user: User, data: Any = None) -> PreferencesForm:
    initial = _initial(user)
    form = PreferencesForm(data, initial=initial)
    if (hold := initial["hold_seconds"]) not in {value for value, _ in HOLDS}:
        form.fields["hold_seconds"].choices = [*HOLDS, (hold, f"{hold} seconds")]  # type: ignore[attr-defined]
    return form


def _profile(
    request: HttpRequest, form: PreferencesForm, *, typed: Any = None, problem: str = "", status: int = 200
) -> HttpResponse:
    """`typed` are keys that were not taken, and `problem` why: they stay in their boxes."""
    caps = person(request).choices.caps
    context = {
        "form": form,
        "account_links": _security_links(),
        "own_keys": [
            {"act": act, "label": label, "key": typed.get(act, "")[:20] if typed else caps[act], "shipped": key.upper()}
            for act, (key, label) in (keys.SHIPPED | keys.OF_CONVERSATION).items()
        ],
        "keys_problem": problem,
        "any_moved": bool(person(request).choices.moved),
    }
    return render(request, "conversations/profile.html", context, status=status)


@require_POST
@signed_in
def own_keys(request: HttpRequest) -> HttpResponse:
    """Put single keys elsewhere, or all of them back."""
    user = person(request)
    try:
        moved = {} if "reset" in request.POST else keys.chosen(request.POST)
    except Invalid as error:
        return _profile(request, _form(user), typed=request.POST, problem=str(error), status=error.status)
    keep(user, moved=moved)
    messages.success(request, "Your keys are saved." if moved else "All keys are where they were at first.")
    return see_other(f"{reverse('conversations:profile')}#own-keys")


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
    keep(person(request), **chosen)
    return HttpResponse(status=204)


def keep(user: User, **chosen: Any) -> None:
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
        return see_other(address("drafts:queue"))
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
