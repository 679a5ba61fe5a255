"""Training lines: the layouts that trainers read, no personal data, no conversation on both sides, the same bytes again."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import call_command

from conversations.models import AuditEvent
from drafts.desk import decisions
from drafts.learning import samples
from drafts.models import Draft
from tests import factories
from tests.conftest import World


def export(layout: str, split: str = "all") -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("export_corrections", "--format", layout, "--split", split, "--since", "24h", stdout=out, stderr=err)
    return [json.loads(line) for line in out.getvalue().splitlines()], json.loads(err.getvalue()), out.getvalue()


def signed(world: World, text: str | None = None, question: str = "Is it safe? Write to me@home.test") -> Draft:
    draft = factories.draft(factories.message(world.mail, question))
    factories.approved(draft, world.ada, final_text=text, attention=decisions.Attention(pressed_twice=True))
    return draft


def test_every_signed_reply_is_a_conversation_to_learn_from(world: World, acme: None) -> None:
    kept, changed = signed(world), signed(world, "Hi Marcus,\n\nIt is safe. Call +1 555 010 4477.\n\nBest regards")
    lines, report, _ = export("sft")
    assert [[turn["role"] for turn in line["messages"]] for line in lines] == [["system", "user", "assistant"]] * 2
    assert [line["messages"][1]["content"] for line in lines] == ["Is it safe? Write to [email]"] * 2
    assert lines[0]["messages"][2]["content"] == kept.suggested_text.replace("Marcus", "[name]")
    assert lines[1]["messages"][2]["content"] == "Hi [name],\n\nIt is safe. Call [phone].\n\nBest regards"
    assert (report["lines"], report["email"], report["phone"]) == (2, 2, 1)
    assert changed.pk != kept.pk


def test_a_changed_reply_is_a_preference(world: World, acme: None) -> None:
    signed(world)
    draft = signed(world, "Hello Marcus,\n\nIt is.\n\nBest regards")
    (line,), report, _ = export("dpo")
    assert set(line) == {"prompt", "chosen", "rejected"}
    assert line["chosen"] == [{"role": "assistant", "content": "Hello [name],\n\nIt is.\n\nBest regards"}]
    assert line["rejected"] == [{"role": "assistant", "content": draft.suggested_text.replace("Marcus", "[name]")}]
    assert report["lines"] == 1


def test_what_no_person_stands_for_is_left_out(world: World, acme: None) -> None:
    pending = factories.draft(factories.message(world.mail))
    rejected = factories.draft(factories.message(world.mail))
    decisions.reject(draft_id=rejected.pk, actor=world.ada, seen=factories.seen(rejected), reasons=["tone"])
    undone = factories.draft(factories.message(world.mail))
    decisions.undo(delivery_id=factories.approved(undone, world.ada).pk, actor=world.ada)
    check = factories.draft(
        factories.message(world.mail), is_canary=True, canary_defect="No source says: Nonsense here."
    )
    decisions.approve(draft_id=check.pk, actor=world.ada, seen=factories.seen(check))
    assert AuditEvent.objects.filter(kind="check.decided").exists()
    assert pending.status == "pending"
    assert export("sft")[0] == export("dpo")[0] == []


def test_a_conversation_is_on_one_side_and_the_lines_are_the_same_again(
    world: World, acme: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = [signed(world, question=f"Is hose {word} safe?") for word in ("red", "blue", "long", "short")]
    sides = {draft.conversation_id: side for draft, side in zip(drafts, ["train", "validation"] * 2, strict=True)}
    monkeypatch.setattr(samples, "split_of", sides.__getitem__)
    assert [len(export("sft", split)[0]) for split in ("train", "validation", "all")] == [2, 2, 4]
    assert export("sft")[2] == export("sft")[2]


def test_a_card_number_is_not_taken_for_a_telephone(world: World, acme: None) -> None:
    signed(world, question="Charge 4111 1111 1111 1111 please")
    lines, report, _ = export("sft")
    assert lines[0]["messages"][1]["content"] == "Charge [card] please"
    assert report["card"] == 1
    assert "phone" not in report


def test_no_line_that_is_learned_is_one_that_validates(
    world: World, acme: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two customers asked the same and got the same: names and addresses are gone, so the lines are equal."""
    drafts = [signed(world) for _ in range(3)] + [signed(world, question="What else?")]
    sides = dict(
        zip((draft.conversation_id for draft in drafts), ["train", "validation", "train", "train"], strict=True)
    )
    monkeypatch.setattr(samples, "split_of", sides.__getitem__)
    learned, report, _ = export("sft", "train")
    assert [line["messages"][1]["content"] for line in learned] == ["What else?"]
    assert (report["train"], report["train lines left out: they validate"]) == (1, 2)
    assert len(export("sft", "validation")[0]) == 1
    assert len(export("sft")[0]) == 2


def test_the_report_names_what_is_looked_for_and_what_is_not(world: World, acme: None) -> None:
    signed(world)
    _, report, _ = export("sft")
    assert "IBANs" in report["looked_for"]
    assert "dates of birth" in report["not_looked_for"]


def test_names_that_the_desk_knows_are_replaced(world: World, acme: None) -> None:
    """The customer's, the sender's and those of the people who sign."""
    signed(world, "Hello,\n\nMarcus, it is safe, says ada.\n\nBest regards", question="Is it safe? marcus")
    lines, report, _ = export("sft")
    assert lines[0]["messages"][1]["content"] == "Is it safe? [name]"
    assert lines[0]["messages"][2]["content"] == "Hello,\n\n[name], it is safe, says [name].\n\nBest regards"
    assert report["name"] >= 3
