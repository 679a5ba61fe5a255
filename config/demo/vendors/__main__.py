"""`python -m config.demo.vendors --port 8027 --desk http://127.0.0.1:8000`: stand-ins of the vendors, for the demo's account.

On this machine alone, and only where DEMO is on. Each start gives its channels new addresses for posts; those of the start
before stand for two days.
"""

from __future__ import annotations

import argparse
import signal
import threading


def main() -> None:
    parser = argparse.ArgumentParser(description="Stand-ins of the vendors that the demo's channels are of.")
    parser.add_argument("--port", type=int, default=8027)
    parser.add_argument("--desk", default="http://127.0.0.1:8000", help="where the demo is served")
    options = parser.parse_args()
    import django  # its settings are named by whoever starts the demo
    from django.conf import settings

    django.setup()
    if not settings.DEMO:
        raise SystemExit("Anybody on this machine can write to it, so it runs only where DEMO is on.")
    from config.demo.vendors.server import serve
    from config.demo.vendors.talks import stand_ins
    from conversations.tenancy import account_directory
    from drafts.demo.seeding import SLUG

    account = next((entry for entry in account_directory() if entry["slug"] == SLUG), None)
    if account is None:
        raise SystemExit("The demo's account is not there yet: seed it first.")
    try:
        server = serve(options.port, stand_ins(account["id"], desk=options.desk), desk=options.desk)
    except OSError as error:
        raise SystemExit(f"The stand-ins cannot be served at 127.0.0.1:{options.port}: {error}") from error
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"The vendors' stand-ins are at http://127.0.0.1:{options.port}/", flush=True)
    server.serve_forever()
    server.server_close()


if __name__ == "__main__":
    main()
