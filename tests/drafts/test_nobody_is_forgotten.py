"""Promise 10: a conversation in which we owe something is in exactly one working list with a due time, whatever was pressed."""

from __future__ import annotations

import os
from typing import Any

import pytest

from conversations.tenancy import tenant_context
from tests.conftest import World
from tests.drafts.life_model import live

#: `make faults` lives 5,000 of them (trial F18); here a few of each hundred, other ones in each of these tests.
LIVES = int(os.environ.get("COUNTERSIGN_LIVES", "8"))


@pytest.mark.parametrize("part", range(6))
def test_whatever_is_pressed_the_lists_say_what_the_record_says(world: World, acme: Any, part: int) -> None:
    for seed in range(part * 1_000_000, part * 1_000_000 + LIVES):
        with tenant_context(world.acme.pk):
            live(world, seed)
