from __future__ import annotations
def split_reply(text: str) -> tuple[str, str]:
    return text, ""
