"""How often something may be tried before it has to wait: log-in, second factors, mails that anybody can cause.

Counted in a table of its own, one row a key and span, by the database's clock. Not in the cache: there other keys push a
row out. A try is counted before it is looked at, so that many at once cannot pass together, and given back when it was
right. If it cannot be counted the request fails: limits fail closed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from django.db import connection
from django.utils.crypto import salted_hmac

from conversations.errors import Refusal


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` tries in the `seconds` that begin with the first one."""

    name: str
    most: int
    seconds: int


#: Passwords: strangers are counted by network and by the address they try, a known device by itself.
LOGIN_NETWORK = Limit("login network", 30, 900)
LOGIN_ADDRESS = Limit("login address", 10, 900)
LOGIN_DEVICE = Limit("login device", 10, 900)
#: A signed-in person's password or code, asked for again.
AGAIN = Limit("again", 10, 900)
#: Codes of the second factor, after a right password: strangers, and a known device.
CODE = Limit("code", 5, 300)
CODE_DAY = Limit("code day", 30, 86_400)
CODE_DEVICE = Limit("code device", 10, 300)
#: One code of an authenticator app is good once (RFC 6238 section 5.2).
TOTP_ONCE = Limit("totp once", 1, 120)
#: Mails that somebody who is not signed in can have sent to one address.
MAIL = Limit("mail", 6, 3600)
#: Every other form under /accounts/, each counted by itself: its own limit below, or this one.
FORM = Limit("form", 60, 300)
FORMS = {
    "account_reset_password": Limit("reset", 20, 3600),
    "account_reset_password_from_key": Limit("reset key", 20, 900),
    "account_change_password": Limit("change password", 10, 900),
    "account_email": Limit("own addresses", 20, 3600),
    "factor_lost": Limit("factor lost", 10, 3600),
    # Nothing in a passkey can be guessed: this only keeps a flood away.
    "mfa_login_webauthn": Limit("passkey", 600, 300),
}
#: What an account's admins have sent out from the administration. Looked at before and counted after: a count is locked until
#: its request ends, and nobody waits for a slow server's answer to somebody else.
CHANNEL_CHECK = Limit("channel check", 30, 3600)
CHANNEL_TEST = Limit("channel test", 5, 3600)
#: Their tries are counted where the person or the address is known: in conversations.people.signin.
COUNTED_ELSEWHERE = {"account_login", "account_logout"}


class TooMany(Refusal):
    """It has to wait (429). `seconds` is how long."""

    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many tries. Wait {in_words(seconds)} and try again. Nothing was changed.")
        self.seconds = seconds


def in_words(seconds: int) -> str:
    if seconds <= 90:
        return f"{seconds} seconds"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} minutes" if minutes <= 90 else f"{math.ceil(minutes / 60)} hours"


COUNT_SQL = """
INSERT INTO conversations_tally AS t (key, count, until)
VALUES (%(key)s, 1, clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (key) DO UPDATE SET
  count = CASE WHEN t.until <= clock_timestamp() THEN 1 ELSE least(t.count + 1, 1000000) END,
  until = CASE WHEN t.until <= clock_timestamp() THEN excluded.until ELSE t.until END
RETURNING count, ceil(extract(epoch FROM until - clock_timestamp()))::int
"""


LOOK_SQL = """
SELECT count, ceil(extract(epoch FROM until - clock_timestamp()))::int FROM conversations_tally
 WHERE key = %s AND until > clock_timestamp()
"""


def take(limit: Limit, *subject: str) -> None:
    """Count one try of this subject. Raises TooMany (429) when it was one too many."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_SQL, {"key": _key(limit, subject), "seconds": limit.seconds})
        count, left = cursor.fetchone()
    if count > limit.most:
        raise TooMany(max(1, left))


def look(limit: Limit, *subject: str) -> None:
    """Raises TooMany (429) if the next try of this subject would be one too many. Counts nothing."""
    with connection.cursor() as cursor:
        cursor.execute(LOOK_SQL, [_key(limit, subject)])
        count, left = cursor.fetchone() or (0, 0)
    if count >= limit.most:
        raise TooMany(max(1, left))


def give_back(limit: Limit, *subject: str) -> None:
    """The try was right: it does not count."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE conversations_tally SET count = count - 1 WHERE key = %s AND count > 0", [_key(limit, subject)]
        )


def forget_old() -> int:
    """Remove the spans that are over. How many they were."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM conversations_tally WHERE until < clock_timestamp() - interval '1 hour'")
        return int(cursor.rowcount)


def _key(limit: Limit, subject: tuple[str, ...]) -> str:
    text = "\x00".join((limit.name, *(part.strip().lower() for part in subject)))
    return salted_hmac("countersign.tally", text, algorithm="sha256").hexdigest()
