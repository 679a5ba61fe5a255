"""The single keys of the desk: which act each one does, and the ones that a person moved (WCAG 2.1.4)."""

from __future__ import annotations

from collections.abc import Mapping

from conversations.errors import Invalid

#: Act of static/desk/desk.js -> its key as shipped, and what it does.
SHIPPED = {
    "approve": ("a", "Approve and send"),
    "edit": ("e", "Edit the draft"),
    "reject": ("r", "Reject"),
    "redraft": ("g", "Redraft with an instruction"),
    "snooze": ("s", "Snooze"),
    "undo": ("z", "Undo the last decision"),
    "next": ("j", "Next in queue"),
    "prev": ("k", "Previous in queue"),
    "focus": ("f", "Focus mode"),
    "pick": ("x", "Choose for a batch"),
    "unsourced": ("n", "Next statement without a source"),
    "changes": ("d", "Your changes"),
    "timeline": ("t", "Audit timeline"),
}
#: Keys that stay where they are: sources and reasons by number, this list, the filter.
FIXED = {**dict.fromkeys("123456789", "Sources by number"), "?": "This list", "/": "Filter the queue"}


def keys_of(moved: Mapping[str, str]) -> dict[str, str]:
    """Act -> key, with what a person moved."""
    return {act: moved.get(act, key) for act, (key, _) in SHIPPED.items()}


def chosen(wanted: Mapping[str, str]) -> dict[str, str]:
    """What of these keys differs from the shipped ones; "" leaves an act where it was shipped.

    Raises Invalid (422) for what is no single printable character, for a key that two acts would share, and for one that
    stays where it is.
    """
    keys = {act: (wanted.get(act, "").strip() or key).lower() for act, (key, _) in SHIPPED.items()}
    taken: dict[str, str] = dict(FIXED)
    for act, key in keys.items():
        label = SHIPPED[act][1]
        if len(key) != 1 or not key.isprintable() or key.isspace():
            raise Invalid(f"“{key[:20]}” is not one key. Give a single character for: {label}. Nothing was changed.")
        if key in taken:
            raise Invalid(f"“{key.upper()}” would do two things: {taken[key]}; {label}. Nothing was changed.")
        taken[key] = label
    return {act: key for act, key in keys.items() if key != SHIPPED[act][0]}
