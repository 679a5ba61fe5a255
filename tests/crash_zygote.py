"""A worker that can be killed quickly: Django is imported once, and each command runs in a fork of its own.

Reads one JSON line a command ({"failpoint", "account", "delivery"}, or "person" and "turn", "mailbox", "channel" or "webhook", in the place of the delivery),
runs `outbox.deliver` (or the assistant's `engine.answer`, `mailboxes.fetch` or `access.token_of`) in a child, and answers with the child's wait status. It has no database connection of its own, so a fork shares none.
"""

from __future__ import annotations

import ipaddress
import json
import os
import sys
import uuid


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from django.conf import settings

    # Whoever was killed holds a place of the channel until its lease ends; here many are killed one after the other.
    settings.CHANNEL_PARALLEL = 1000
    settings.DATABASES["default"].update(HOST=sys.argv[1], NAME=sys.argv[2], USER="app_rw")
    from conversations.messages import access, outbox
    from conversations.models import Channel
    from conversations.tenancy import tenant_context
    from conversations.webhooks import deliver as webhooks
    from drafts.assistant import engine
    from ingestion import mailboxes

    settings.WEBHOOK_NETWORKS = settings.CHANNEL_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]

    def renew(account_id: uuid.UUID, channel_id: uuid.UUID) -> None:
        with tenant_context(account_id):
            channel = Channel.objects.get(pk=channel_id)
        access.token_of(channel)

    def tell(account_id: uuid.UUID, webhook_id: uuid.UUID) -> None:
        webhooks.deliver(account_id=account_id, delivery_id=webhook_id)

    print("ready", flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        child = os.fork()
        if child == 0:
            settings.FAILPOINT = command["failpoint"]
            ids = {f"{name}_id": uuid.UUID(value) for name, value in command.items() if name != "failpoint"}
            acts = {"turn_id": engine.answer, "mailbox_id": mailboxes.fetch, "channel_id": renew, "webhook_id": tell}
            act = next((act for name, act in acts.items() if name in ids), outbox.deliver)
            act(**ids)
            os._exit(0)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
