from __future__ import annotations

from django.apps import AppConfig


class DraftsConfig(AppConfig):
    name = "drafts"
    verbose_name = "Drafts"

    def ready(self) -> None:
        from conversations import hooks
        from drafts import reactions

        hooks.on_inbound.append(reactions.customer_wrote)
        hooks.on_delivery.append(reactions.delivery_moved)
