from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from ingestion import watching


class Command(BaseCommand):
    help = (
        "Stand at the mailboxes that are fetched from (IMAP IDLE) and wake a round when mail comes. Optional: without it "
        "mail is fetched every minute. Ends on SIGTERM. It needs a worker beside it, which does the rounds."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        watching.watch_all(stop=stop)
        self.stdout.write("Nobody watches any more; the rounds of every minute go on.")
