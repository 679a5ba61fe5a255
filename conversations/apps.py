from __future__ import annotations

from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    name = "conversations"
    verbose_name = "Desk"

    def ready(self) -> None:
        from conversations import checks, tracing  # noqa: F401 - registers the system checks

        tracing.start()
