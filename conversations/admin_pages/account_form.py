"""The settings of an account, in sections."""

from __future__ import annotations

from typing import Any

from django import forms

from conversations.admin_pages.shapes import Part, ShapeForm, parts_of, shape_form
from conversations.admin_pages.zones import zone_choices
from conversations.channels.provider import Section
from conversations.metadata import AccountSettings
from conversations.models import Account

FIELDS = ["name", "timezone", "archive_bodies_after_days", "purge_after_days", "legal_hold"]
SECTIONS = (
    Section("general", "General", "", ("name", "timezone")),
    Section("replies", "Replies and undo", "Between Approve and the customer.", ("hold_seconds", "reply_name")),
    Section("times", "Due times", "When an answer counts as late in the lists.", ("due_minutes",)),
    Section(
        "approve",
        "Who may do what",
        "The rest of it stands in the policy rules, one for each role and act.",
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
        ("archive_bodies_after_days", "purge_after_days", "legal_hold"),
    ),
    Section("security", "Security", "", ("second_factor",)),
)
REST = Section("more", "More", "", ())


class _AccountForm(ShapeForm):
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

    @property
    def parts(self) -> list[Part]:
        return parts_of(self, SECTIONS, rest=REST)


_SHAPE = shape_form(Account, AccountSettings, "settings", FIELDS)
AccountForm: type[forms.ModelForm] = type("AccountForm", (_AccountForm, _SHAPE), {})
