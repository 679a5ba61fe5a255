"""What the assistant can look up and propose. `TOOLS` is all of it; nothing outside of it is ever carried out."""

from __future__ import annotations

from typing import Any

from drafts.assistant.tools.configuration import ADOPT_DIFFERENCE, APPLY_DIFFERENCE
from drafts.assistant.tools.customers import RENAME
from drafts.assistant.tools.life import ASSIGN, CLOSE, REOPEN, SNOOZE
from drafts.assistant.tools.replies import CREATE_GOLDEN, ESCALATE, REDRAFT, RETIRE_GOLDEN
from drafts.assistant.tools.settings import SET_POLICY, SET_RETENTION, SET_SETTING
from drafts.assistant.tools.shapes import (
    Arguments,
    Change,
    Context,
    Done,
    Effect,
    Fact,
    Facts,
    Proposal,
    Scope,
    Tool,
    Wrong,
)
from drafts.assistant.tools.tags import SET_TAGS
from drafts.assistant.tools.threads import MERGE, UNMERGE
from drafts.assistant.tools.writing import ADD_PROMPT, SET_SITE, SHUT_LANE

__all__ = [
    "TOOLS", "Arguments", "Change", "Context", "Done", "Effect", "Fact", "Facts", "Proposal", "Scope", "Tool", "Wrong",
    "tools_for",
]  # fmt: skip

TOOLS: dict[str, Tool[Any]] = {
    tool.name: tool
    for tool in (
        REDRAFT, SET_TAGS, ASSIGN, SNOOZE, CLOSE, REOPEN, MERGE, UNMERGE, RENAME, ESCALATE, CREATE_GOLDEN, RETIRE_GOLDEN,
        SET_SETTING, SET_RETENTION, SET_POLICY, SHUT_LANE, SET_SITE, ADD_PROMPT,
        APPLY_DIFFERENCE, ADOPT_DIFFERENCE,
    )
}  # fmt: skip


def tools_for(context: str) -> list[Tool[Any]]:
    """What can be looked up and proposed in a chat of this context."""
    return [tool for tool in TOOLS.values() if context in tool.contexts]
