"""Placeholder of the lead until the helper writes this file: overwrite."""


def find_passages(*, account_id, text, limit=5):
    return []
