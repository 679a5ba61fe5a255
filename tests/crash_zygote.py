"""A worker that can be killed quickly: Django is imported once, and each command runs in a fork of its own.

Reads one JSON line a command ({"failpoint", "account", "delivery"}), runs `outbox.deliver` in a child, and answers with
the child's wait status. It has no database connection of its own, so a fork shares none.
"""

from __future__ import annotations

import json
import os
import sys
import uuid


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from django.conf import settings

    settings.DATABASES["default"].update(HOST=sys.argv[1], NAME=sys.argv[2], USER="app_rw")
    from conversations.messages import outbox

    print("ready", flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        child = os.fork()
        if child == 0:
            settings.FAILPOINT = command["failpoint"]
            outbox.deliver(account_id=uuid.UUID(command["account"]), delivery_id=uuid.UUID(command["delivery"]))
            os._exit(0)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
