"""Which customer's a message is: by the address that we answer, which is not always the one that it came from."""

from __future__ import annotations

import uuid

from django.db import connection

from conversations.channels.addresses import is_same, normal_address
from conversations.channels.base import Automatic, Inbound, Party
from conversations.models import Channel
from conversations.models.base import new_id

#: Known addresses are read, and kept from going: an erasure that finds one unused waits, or is waited for. Of two transactions that hear of a new one, the second waits for the first and finds its
#: row; the key of the address to its customer is looked at when the transaction ends, so the customer is made after it.
_HEARD = """
WITH known AS (
  SELECT id, name FROM conversations_customeraddress
   WHERE account_id = %(account)s AND address = %(address)s AND channel_id IS NOT DISTINCT FROM %(channel)s::uuid
     FOR KEY SHARE
), kept AS (
  INSERT INTO conversations_customeraddress AS a (id, account_id, customer_id, channel_id, address, name)
  SELECT %(id)s, %(account)s, %(customer)s, %(channel)s::uuid, %(address)s, %(name)s
   WHERE NOT EXISTS (SELECT FROM known WHERE name <> '' OR %(name)s = '')
  ON CONFLICT (account_id, address, channel_id) DO UPDATE SET name = CASE WHEN a.name = '' THEN excluded.name ELSE a.name END
  RETURNING id, customer_id
), made AS (
  INSERT INTO conversations_customer (id, account_id, name)
  SELECT customer_id, %(account)s, %(name)s FROM kept WHERE id = %(id)s
), named AS (
  UPDATE conversations_customer c SET name = %(name)s FROM kept
   WHERE c.id = kept.customer_id AND kept.id <> %(id)s AND c.account_id = %(account)s AND c.name = ''
)
SELECT id FROM kept UNION ALL SELECT id FROM known LIMIT 1
"""


def writer_of(channel: Channel, inbound: Inbound) -> Party | None:
    """Who wrote, by where they want the answer (Reply-To; RFC 5322 section 3.6.2), else by where it came from. All who write by
    one form of a website have its address in From: they would be one customer. None for what we wrote ourselves."""
    if inbound.automatic == Automatic.OWN:
        return None
    sender = inbound.sender
    asked = inbound.answer_to or ((inbound.reply_to,) if inbound.reply_to else ())
    asked = tuple(one for one in asked if one.address and not is_same(one.address, channel.sends_as))
    if found := next((one for one in asked if is_same(one.address, sender.address)), None):
        return Party(found.address, found.name or sender.name)
    return inbound.customer or (asked[0] if asked else sender)


def heard(channel: Channel, party: Party | None) -> uuid.UUID | None:
    """The address row of whoever wrote, or is written to, on this channel; a new customer's if we never heard of it.

    One statement, in the caller's transaction, after it has the locks that it wants and knows that the message is new: what was
    erased and comes again makes nobody. None for somebody who has no address.
    """
    mail = normal_address(party.address) if party else ""
    address = mail or (party.address.strip() if party else "")
    if party is None or not address:
        return None
    values = {
        "id": new_id(),
        "customer": new_id(),
        "account": channel.account_id,
        "channel": None if mail else channel.pk,
        "address": address[:320],
        "name": party.name[:200],
    }
    with connection.cursor() as cursor:
        cursor.execute(_HEARD, values)
        found: uuid.UUID = cursor.fetchone()[0]
    return found
