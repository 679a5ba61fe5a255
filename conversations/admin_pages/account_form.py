"""The settings of an account, in sections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from conversations import hooks
from conversations.admin_pages.shapes import Part, ShapeForm, parts_of, shape_form
from conversations.admin_pages.zones import zone_choices
from conversations.channels.provider import Section
from conversations.metadata import AccountSettings
from conversations.models import Account
from conversations.people.account_settings import PERIODS, would_empty

FIELDS = ["name", "timezone", "archive_bodies_after_days", "purge_after_days", "legal_hold"]
SECTIONS = (
    Section("general", "General", "", ("name", "timezone")),
    Section("replies", "Replies and undo", "Between Approve and the customer.", ("hold_seconds", "reply_name")),
    Section(
        "times",
        "Due times",
        "When an answer counts as late in the lists and reports. A change counts for what arrives from then on.",
        ("due_minutes", "business_hours", "holidays"),
    ),
    Section(
        "approve",
        "Who may do what",
        "The rest of it stands in the table of roles and acts.",
        ("agent_approval",),
    ),
    Section(
        "drafts",
        "Drafting and lanes",
        "How drafts come about, and what may leave without a person.",
        (
            "draft_burst_seconds",
            "canary_share",
            "lanes",
            "lane_reviewed",
            "lane_bound",
            "lane_per_hour",
            "lane_per_sender_hour",
        ),
    ),
    Section(
        "closing",
        "Closing and keeping",
        "Keeping counts from the day a conversation is closed. What is open is never emptied.",
        ("close_after_days", "archive_bodies_after_days", "purge_after_days", "legal_hold"),
    ),
    Section(
        "assistant",
        "The assistant",
        "Who asks it more than this today is answered tomorrow. The built-in assistant always answers.",
        ("assistant_tokens_a_day", "assistant_tokens_of_all"),
    ),
    Section("security", "Security", "", ("second_factor",)),
)
KEEPING = (*PERIODS, "legal_hold")
NEVER = 10**9
REST = Section("more", "More", "", ())


class _AccountForm(ShapeForm):
    confirm = ""
    would_close = ""
    shows_emptied = False
    would_empty: Sequence[tuple[str, int]] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = Account._meta.get_field("timezone")
        if "timezone" in self.fields:
            # An old name that somebody chose long ago stays in the list until they choose another.
            self.fields["timezone"] = forms.ChoiceField(
                choices=zone_choices(self.instance.timezone),
                label="Time zone",
                help_text=known.help_text,
                widget=forms.Select(attrs={"class": "input"}),
            )

    def clean(self) -> dict[str, Any]:
        """What empties more than before is shown with its numbers, and asks for a second press."""
        cleaned = super().clean()
        if self.errors or self.data.get("confirm") == self._wanted(cleaned):
            return cleaned
        empties, closes = self._empties_more(cleaned), self._closes_more(cleaned)
        if not (empties or closes):
            return cleaned
        if closes:
            days = int(cleaned["close_after_days"])
            count = sum(handler(account_id=self.instance.pk, days=days) for handler in hooks.closing_previews)
            self.would_close = f"{count} conversation{'' if count == 1 else 's'} would close within the hour"
        if empties:
            self.shows_emptied = True
            found = would_empty(self.instance.pk, {name: cleaned[name] for name in KEEPING})
            self.would_empty = [(words, count) for words, count in found.items() if count]
        self.confirm = self._wanted(cleaned)
        raise forms.ValidationError("Shorter periods ask for a second press: look at the numbers, then save again.")

    def _closes_more(self, cleaned: dict[str, Any]) -> bool:
        before = Account.objects.get(pk=self.instance.pk).options.close_after_days or NEVER
        return 0 < int(cleaned["close_after_days"]) < before

    def _empties_more(self, cleaned: dict[str, Any]) -> bool:
        if cleaned["legal_hold"]:
            return False
        before = Account.objects.get(pk=self.instance.pk)
        shorter = any(0 < cleaned[name] < (getattr(before, name) or NEVER) for name in PERIODS)
        return shorter or (before.legal_hold and any(cleaned[name] for name in PERIODS))

    @staticmethod
    def _wanted(cleaned: dict[str, Any]) -> str:
        return "-".join(str(cleaned[name]) for name in (*KEEPING, "close_after_days"))

    @property
    def parts(self) -> list[Part]:
        return parts_of(self, SECTIONS, rest=REST)


_SHAPE = shape_form(Account, AccountSettings, "settings", FIELDS)
AccountForm: type[forms.ModelForm] = type("AccountForm", (_AccountForm, _SHAPE), {})
