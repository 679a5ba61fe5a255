"""The exception that a signal becomes in a program that a mail server runs."""

from __future__ import annotations


class Stopped(BaseException):
    """Somebody asked this process to end. Not an Exception: what cleans up after errors must not swallow it."""
