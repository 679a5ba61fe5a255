"""Message ids that only we can make."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.channels.email.ids import make_message_id, read_message_id

KEY = b"a key of this test"
DELIVERY = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


def test_it_reads_back_the_delivery_it_was_made_for() -> None:
    made = make_message_id(key=KEY, delivery_id=DELIVERY, domain="Desk.example")
    assert made == make_message_id(key=KEY, delivery_id=DELIVERY, domain="desk.example")
    assert made.startswith("<cs.01890a5dac96774bbcceb302099a8057.")
    assert made.endswith("@desk.example>")
    assert len(made) < 120
    assert read_message_id(made, key=KEY) == DELIVERY


@given(st.uuids())
def test_every_delivery_has_its_own_id_and_comes_back(delivery_id: UUID) -> None:
    made = make_message_id(key=KEY, delivery_id=delivery_id, domain="desk.example")
    assert read_message_id(made, key=KEY) == delivery_id


def test_it_survives_what_gateways_do_to_ids() -> None:
    made = make_message_id(key=KEY, delivery_id=DELIVERY, domain="desk.example")
    for mangled in (made.upper(), made.strip("<>"), f"  {made}\r\n", made.replace("desk.example", "other.example")):
        assert read_message_id(mangled, key=KEY) == DELIVERY


def test_it_refuses_the_id_of_another_key() -> None:
    made = make_message_id(key=KEY, delivery_id=DELIVERY, domain="desk.example")
    assert read_message_id(made, key=b"another key") is None
    assert read_message_id(made, key=b"") is None


def test_it_refuses_an_id_of_which_any_character_of_token_or_mac_was_changed() -> None:
    made = make_message_id(key=KEY, delivery_id=DELIVERY, domain="desk.example")
    token = made.index("cs.") + 3
    for index in range(token, made.index("@")):
        if made[index] == ".":
            continue
        forged = made[:index] + ("0" if made[index] != "0" else "1") + made[index + 1 :]
        assert read_message_id(forged, key=KEY) is None, forged


@pytest.mark.parametrize(
    "value",
    [
        "",
        "<>",
        "<a@b>",
        "<cs.@desk.example>",
        "<cs." + "0" * 32 + "@desk.example>",
        "cs." + "g" * 32 + "." + "0" * 32 + "@x",
    ],
)
def test_it_answers_none_to_ids_of_others(value: str) -> None:
    assert read_message_id(value, key=KEY) is None


@given(st.text(max_size=200))
def test_no_text_makes_it_raise(value: str) -> None:
    assert read_message_id(value, key=KEY) is None


def test_two_ids_in_one_value_are_not_one_of_ours() -> None:
    made = make_message_id(key=KEY, delivery_id=DELIVERY, domain="desk.example")
    assert read_message_id(f"{made} {made}", key=KEY) is None


@pytest.mark.parametrize("domain", ["", "a b", "a>b", "a\r\nb", "ex@mple", "-a", "bücher.example"])
def test_it_refuses_a_domain_that_cannot_stand_in_an_id(domain: str) -> None:
    with pytest.raises(ValueError, match="not a domain"):
        make_message_id(key=KEY, delivery_id=DELIVERY, domain=domain)


def test_it_refuses_an_empty_key() -> None:
    with pytest.raises(ValueError, match="needs a key"):
        make_message_id(key=b"", delivery_id=DELIVERY, domain="desk.example")
