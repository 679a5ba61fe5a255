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
    "assist": ("q", "Ask the assistant about it"),
    "act": ("y", "What the reply should do, then 1 to 6"),
}
#: The same of a conversation's page (static/desk/talk.js), where they come before those of the desk.
OF_CONVERSATION = {
    "note": ("m", "Internal note"),
    "owner": ("o", "Owner"),
    "tags": ("l", "Tags"),
    "merge": ("u", "Merge with another"),
    "watch": ("v", "Watch"),
    "spam": ("!", "Spam"),
    "close": ("c", "Close or reopen"),
}
#: Acts that came after people had chosen their keys: each has its key only where nobody gave it to another act.
GIVES_WAY = frozenset({"assist", "act"})
#: Keys that stay where they are: sources and reasons by number, this list, the filter.
FIXED = {**dict.fromkeys("123456789", "Sources by number"), "?": "This list", "/": "Filter the queue"}


def keys_of(moved: Mapping[str, str]) -> dict[str, str]:
    """Act -> key, with what a person moved; "" for an act whose key they gave to another one."""
    keys = {act: moved.get(act, key) for act, (key, _) in (SHIPPED | OF_CONVERSATION).items()}
    taken = {key for act, key in keys.items() if act not in GIVES_WAY}
    return {act: "" if act in GIVES_WAY and act not in moved and key in taken else key for act, key in keys.items()}


def acts_at(moved: Mapping[str, str], *, conversation: bool) -> dict[str, str]:
    """Key -> act, of the desk or of a conversation's page."""
    keys = keys_of(moved)
    return {keys[act]: act for act in (*SHIPPED, *(OF_CONVERSATION if conversation else ())) if keys[act]}


def chosen(wanted: Mapping[str, str]) -> dict[str, str]:
    """What of these keys differs from the shipped ones; "" leaves an act where it was shipped.

    Raises Invalid (422) for what is no single printable character, for a key that two acts of one page would share, and for
    one that stays where it is.
    """
    return _chosen(SHIPPED, wanted) | _chosen(OF_CONVERSATION, wanted)


def _chosen(shipped: Mapping[str, tuple[str, str]], wanted: Mapping[str, str]) -> dict[str, str]:
    keys = {act: (wanted.get(act, "").strip() or key).lower() for act, (key, _) in shipped.items()}
    taken: dict[str, str] = dict(FIXED)
    for act, key in keys.items():
        label = shipped[act][1]
        if len(key) != 1 or not key.isprintable() or key.isspace():
            raise Invalid(f"“{key[:20]}” is not one key. Give a single character for: {label}. Nothing was changed.")
        if key in taken and act in GIVES_WAY and not wanted.get(act, "").strip():
            continue
        if key in taken:
            raise Invalid(f"“{key.upper()}” would do two things: {taken[key]}; {label}. Nothing was changed.")
        taken[key] = label
    return {act: key for act, key in keys.items() if key != shipped[act][0]}
