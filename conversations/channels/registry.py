"""Which adapter sends for a channel. Adapters get plain values, never a model."""

from __future__ import annotations

from dataclasses import dataclass

from conversations.channels.base import Adapter
from conversations.channels.email import SmtpAdapter


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a channel's server: what the admin entered, with the secret decrypted."""

    type: str
    host: str
    port: int
    security: str
    user: str
    secret: str
    timeout_seconds: float


#: The channel types that can send. The others are received and drafted for, and say so before anybody decides.
SENDERS = frozenset({"email"})


def adapter_for(connection: Connection) -> Adapter:
    """Raises LookupError for a type that has no way to send."""
    if connection.type not in SENDERS:
        raise LookupError(f"There is no way to send on {connection.type} yet.")
    return SmtpAdapter(
        host=connection.host,
        port=connection.port,
        user=connection.user,
        password=connection.secret,
        starttls=connection.security == "starttls",
        ssl=connection.security == "tls",
        timeout_seconds=connection.timeout_seconds,
    )
