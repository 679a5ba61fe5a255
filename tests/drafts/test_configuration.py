"""The configuration as a file: what is written is read back, a difference is one place, and either side can follow the other."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connection, transaction

from conversations.errors import Conflict, Invalid
from conversations.models import Account, AuditEvent, Channel, PolicyRule, Tag
from conversations.people import account_settings
from conversations.people.roles import Verb
from conversations.tenancy import tenant_context
from drafts.configuration import documents, editing
from drafts.configuration.desk import look
from drafts.configuration.differences import MOST, Comparison, Difference, Place, compare, masked
from drafts.configuration.following import follow, why_not
from drafts.configuration.reading import File, read
from drafts.configuration.shapes import SETTINGS
from drafts.configuration.writing import inline, text_of
from drafts.models import ConfigDocument, Lane, PromptVersion
from ingestion.models import Site
from tests.asserts import assert_nothing_written
from tests.conftest import World

HEAD = "version: 1\naccount: {slug: acme}\n"


def account(world: World) -> Account:
    return Account.objects.get(pk=world.acme.pk)


def differences(world: World, text: str) -> list[tuple[str, str]]:
    found = compare(read(text).says, look(account(world)))
    return [(one.path, one.kind) for one in found.differences]


@pytest.fixture
def here(world: World) -> Iterator[World]:
    with tenant_context(world.acme.pk):
        yield world


# --- reading ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("settings: {hold_seconds: 5, hold_seconds: 6}", "Line 3: the same key"),
        ("tags: &all [vip]", "anchors and aliases"),
        ("tags: [vip]\nsites: *all", "anchors and aliases"),
        ("tags: !!python/object:os.system [vip]", "tags (!)"),
        ("tags: !!set {vip}", "tags (!)"),
        ("settings: {<<: {hold_seconds: 1}}", "merges"),
        ("tags: [vip]\n---\nversion: 1", "one document"),
        ("tags: " + "[" * 2000, "deeper than 12"),
        ("tags: " + "{a: " * 2000, "deeper than 12"),
        ("# " + "x" * 65_536, "64 kB"),
        ("tags: [vip", "not YAML"),
        ("tags: [\x01]", "not YAML"),
        ("settings: {lanes: on}", "lanes"),
        ("settings: {lanes: NO}", "lanes"),
        ("settings: {hold_seconds: '5'}", "hold_seconds"),
        ("settings: {hold_seconds: 61}", "hold_seconds"),
        ("settings: {hold_secnods: 5}", "hold_secnods"),
        ("settings: {second_factor: false}", "its own page"),
        ("settings: {assistant_tokens_a_day: 5}", "write assistant_tokens_a_day as assistant"),
        ("settings: {assistant: 5}", "group of settings"),
        ("settings: {lane_bound: .nan}", "lane_bound"),
        ("settings: [1]", "settings"),
        ("retention: {purge_after_days: -1}", "purge_after_days"),
        ("tags: [vip, VIP]", "twice"),
        ("tags: ['']", "no tag"),
        ("tags: [[vip]]", "tags"),
        ("sites: [{url: 'https://a.test/'}, {url: 'https://a.test/'}]", "twice"),
        ("policy: [{role: agent, verb: manage, allowed: true}]", "no act"),
        ("policy: [{role: owner, verb: close, allowed: true}]", "role"),
        ("lanes: [{intent: shipping, channel: a@b.test, state: open}]", "state"),
        ("channels: [{type: email, external_id: a@b.test, name: A, credentials: x}]", "credentials"),
        ("channels: [{type: email, external_id: a@b.test, name: A, settings: {smtp_password: x}}]", "smtp_password"),
        ("channels: [{type: fax, external_id: a, name: A}]", "no type"),
        ("channels: [{type: email, provider: slack, external_id: a, name: A}]", "no provider"),
        ("legal_hold: true", "legal_hold"),
        ("? [a]\n: 1", "Keys should be strings"),
    ],
)
def test_what_is_no_configuration_is_refused_in_words(text: str, why: str) -> None:
    with pytest.raises(Invalid, match=re.escape(why)) as refused:
        read(HEAD + text)
    assert "Nothing was changed" in str(refused.value)


@pytest.mark.parametrize("text", ["", "version: 1", "version: 2\naccount: {slug: acme}", "[]", "acme", "account: {slug: acme}"])  # fmt: skip
def test_a_file_says_its_version_and_whose_it_is(text: str) -> None:
    with pytest.raises(Invalid):
        read(text)


def test_a_word_is_a_word_and_a_secret_is_not_repeated_in_a_refusal() -> None:
    said = read(HEAD + "settings: {reply_name: NO}\ntags: [on, 'yes']").says
    assert said.settings is not None and said.settings.reply_name == "NO"
    assert said.tags == ["on", "yes"]
    with pytest.raises(Invalid) as refused:
        read(HEAD + "channels: [{type: email, external_id: a, name: A, credentials: hunter2}]")
    assert "hunter2" not in str(refused.value)


def test_sixty_four_kilobytes_are_read() -> None:
    tags = [f"tag{at:04}" for at in range(7000)]
    text = HEAD + f"tags: {inline(tags)}\n"
    assert 50_000 < len(text) < 65_536
    assert read(text).says.tags == tags


# --- comparing -------------------------------------------------------------------------------------------------------
def test_a_default_written_or_left_out_is_no_difference(here: World) -> None:
    defaults = text_of(look(account(here)))
    assert "hold_seconds: 10" in defaults
    assert differences(here, defaults) == []
    assert differences(here, HEAD + "settings: {}\nretention: {}\npolicy: []\nlanes: []\nsites: []\ntags: []") == []
    assert differences(here, HEAD + "settings:\n  hold_seconds: 10\n  assistant: {tokens_a_day: 200000}") == []


def test_the_three_kinds(here: World) -> None:
    account_settings.set_setting(account_id=here.acme.pk, actor=here.dan, name="hold_seconds", value=20)
    account_settings.set_setting(account_id=here.acme.pk, actor=here.dan, name="due_minutes", value=60)
    Tag.objects.create(account=here.acme, name="Refund")
    text = HEAD + "settings: {hold_seconds: 30}\ntags: [vip]\n"
    found = compare(read(text).says, look(account(here)))
    assert [(one.path, one.kind, one.file, one.desk) for one in found.differences] == [
        ("settings.hold_seconds", "value_mismatch", 30, 20),
        ("settings.due_minutes", "missing_in_yaml", None, 60),
        ("tags[vip]", "missing_in_db", "vip", None),
        ("tags[refund]", "missing_in_yaml", None, "Refund"),
    ]
    assert list(found.silent) == ["retention", "policy", "channels", "prompts", "lanes", "sites"]


def test_at_most_five_hundred_are_told_and_the_rest_is_counted(here: World) -> None:
    found = compare(read(HEAD + f"tags: {inline([f't{at}' for at in range(600)])}").says, look(account(here)))
    assert (len(found.differences), found.more) == (MOST, 100)


def test_what_is_called_a_secret_is_not_shown() -> None:
    place = Place("channels", "email/a")
    assert masked(place, {"settings": {"smtp_password": "hunter2", "smtp_host": "mail"}}) == {
        "settings": {"smtp_password": "••••", "smtp_host": "mail"}
    }
    assert masked(Place("sites"), "https://me:hunter2@shop.test/") == "https://••••@shop.test/"
    assert masked(Place("settings", field="assistant.tokens_a_day"), 5) == 5


def test_a_lane_is_shut_by_a_file_and_never_opened(here: World) -> None:
    lane = Lane.objects.create(account=here.acme, intent="shipping", channel=here.mail, prompt_label="p", model_key="m", evidence={"n": 1})  # fmt: skip
    shut = HEAD + f"lanes: [{{intent: shipping, channel: {inline(here.mail.external_id)}}}]\n"
    assert differences(here, shut) == []
    assert "intent: shipping" in text_of(look(account(here)))
    Lane.objects.filter(pk=lane.pk).update(state="open")
    assert "shipping" not in text_of(look(account(here)))
    assert differences(here, HEAD + "lanes: []") == []  # which are open is decided by evidence, not by a file
    assert differences(here, shut) == [(f"lanes[shipping/{here.mail.external_id}]", "value_mismatch")]
    found = compare(read(shut).says, look(account(here))).differences[0]
    follow(account=account(here), actor=here.dan, difference=found, file=read(shut).says)
    assert Lane.objects.get(pk=lane.pk).state == "shut"


# --- both directions, over many states -------------------------------------------------------------------------------
def value_for(name: str, chance: random.Random) -> Any:
    words = ["", "Häuser & Söhne", "NO", "on", "null", "a: b # c", '"quoted" \\ back', "line\nline two", "émoji 🙂", "\u2028", "-", "1_000", "~"]  # fmt: skip
    choices: dict[str, Any] = {
        "agent_approval": lambda: chance.choice(["none", "sourced", "all"]),
        "hold_seconds": lambda: chance.randint(0, 60),
        "reply_name": lambda: chance.choice(words),
        "due_minutes": lambda: chance.randint(1, 43_200),
        "business_hours": lambda: chance.choice(
            ["", "Mon to Fri 8:00 to 12:00, 13:00 to 17:00", "Mon 9:00 to 10:00\nTue 9:00 to 11:00"]
        ),
        "holidays": lambda: chance.choice(["", "2026-12-25 Christmas\n2027-01-01"]),
        "draft_burst_seconds": lambda: chance.choice([0.0, 0.00001, 2.5, 600.0]),
        "lanes": lambda: chance.random() < 0.5,
        "lane_reviewed": lambda: chance.randint(20, 10_000),
        "lane_bound": lambda: chance.uniform(0.5, 0.999),
        "canary_share": lambda: chance.choice([0.0, 0.02, 1e-07]),
        "close_after_days": lambda: chance.choice([0, 7, 14, 30]),
        "assistant_tokens_a_day": lambda: chance.randint(0, 10**8),
        "assistant_tokens_of_all": lambda: chance.randint(0, 10**9),
        "lane_per_hour": lambda: chance.randint(0, 10_000),
        "lane_per_sender_hour": lambda: chance.randint(0, 100),
    }
    return choices[name]()


def put_in_some_state(world: World, chance: random.Random) -> None:
    """Another desk: about half of everything is not as it is shipped."""
    row = account(world)
    row.settings = {name: value_for(name, chance) for name in SETTINGS if chance.random() < 0.5}
    row.timezone = chance.choice(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
    row.archive_bodies_after_days, row.purge_after_days = chance.choice([0, 90, 365]), chance.choice([0, 730])
    row.save()
    for model in (PolicyRule, Tag, Site):
        model.objects.all().delete()
    for name in chance.sample(["vip", "Refund", "yes", "über lang", "a: b", "#1", "[x]", "'", "100"], 4):
        Tag.objects.create(account=row, name=name, is_retired=chance.random() < 0.2)
    for verb in chance.sample(sorted(set(Verb.values) - {"manage"}), 3):
        PolicyRule.objects.create(
            account=row, role=chance.choice(["agent", "reviewer"]), verb=verb, kind=chance.choice(["any", "proposed"]),
            allowed=chance.random() < 0.5, four_eyes=chance.random() < 0.5,
        )  # fmt: skip
    for url in chance.sample(["https://a.test/", "https://b.test/?x=1&y=#z", "https://c.test/ü"], 2):
        Site.objects.create(account=row, url=url, name=chance.choice(["", "Shop: news"]), max_pages=chance.randint(1, 900), every_hours=chance.choice([0, 24]))  # fmt: skip
    channel = Channel.objects.get(pk=world.mail.pk)
    channel.name = chance.choice(["Help", "Acme: mail", "no"])
    channel.metadata = {**channel.metadata, "signature": chance.choice(["", "Best,\nAcme"]), "in_turn": chance.random() < 0.5}  # fmt: skip
    channel.save()


def comments(text: str) -> list[str]:
    return re.findall(r"# note \d+", text)


def commented(text: str, chance: random.Random) -> str:
    """The same file as a person would keep it: notes between the lines and behind some, lists and groups laid out."""
    text = re.sub(r"^tags: \[(.+)\]$", lambda found: "tags:\n" + "\n".join(f"- {inline(tag)}" for tag in read(text).says.tags or ()), text, flags=re.M)  # fmt: skip
    lines, at = [], 0
    for line in text.splitlines():
        if chance.random() < 0.3:
            at += 1
            lines.append(f"# note {at}")
        if chance.random() < 0.3 and not line.startswith("#"):
            at += 1
            line += f"  # note {at}"
        lines.append(line)
    assert read("\n".join(lines)).says == read(text).says
    return "\n".join(lines) + "\n"


def look_again(world: World, text: str) -> Comparison:
    return compare(read(text).says, look(account(world)))


@pytest.mark.parametrize("seed", range(60))
def test_what_is_exported_differs_in_nothing_and_one_difference_goes_alone_either_way(here: World, seed: int) -> None:
    chance = random.Random(seed)
    put_in_some_state(here, chance)
    written = text_of(look(account(here)))
    assert look_again(here, written).differences == []
    file = commented(written, chance)
    put_in_some_state(here, chance)
    assert text_of(read(written).says) == written
    before = look_again(here, file).differences
    assert before
    for one in chance.sample(list(before), min(6, len(before))):
        rest = [other for other in before if other != one]
        adopted = editing.adopt(read(file), one)
        assert look_again(here, adopted).differences == rest, one
        lost = set(comments(file)) - set(comments(adopted))
        assert len(lost) <= (1 if one.kind == "missing_in_db" else 0), (one, lost)  # a line that went, with its note
        if why_not(account(here), one):
            continue
        with transaction.atomic():
            follow(account=account(here), actor=here.dan, difference=one, file=read(file).says)
            assert look_again(here, file).differences == rest, one
            transaction.set_rollback(True)


LAYOUTS = [
    ("tags: [vip, old]", "tags[old]", "tags: [vip]"),
    ("tags: [old]", "tags[old]", "tags: []"),
    ("tags: [old, vip]", "tags[old]", "tags: [vip]"),
    ("tags:\n  # kept\n  - old  # goes\n# next\nsites: []", "tags[old]", "tags: []\n  # kept\n# next\nsites: []"),
    ("tags:\n- old\n- vip # stays\n", "tags[old]", "tags:\n- vip # stays\n"),
    ("tags: []  # none", "tags[refund]", "tags: [Refund]  # none"),
    ("tags:\n- vip # a\n# b\nsites: []", "tags[refund]", "tags:\n- vip # a\n- Refund\n# b\nsites: []"),
    ("tags: [\n  vip,\n]", "tags[refund]", "tags: [\n  vip,\nRefund]"),
    ("settings: {}", "settings.hold_seconds", "settings: {hold_seconds: 20}"),
    ("settings: {hold_seconds: 5} # x", "settings.hold_seconds", "settings: {hold_seconds: 20} # x"),
    ("settings:\n    lanes: false # why\n# b", "settings.hold_seconds", "settings:\n    lanes: false # why\n    hold_seconds: 20\n# b"),
    ("settings:\n  assistant: {}", "settings.assistant.tokens_a_day", "settings:\n  assistant: {tokens_a_day: 7}"),
    ("settings: {}", "settings.assistant.tokens_a_day", "settings: {assistant: {tokens_a_day: 7}}"),
    ("settings:\n  reply_name: |\n    Two\n    lines\n\n# b", "settings.reply_name", 'settings:\n  reply_name: ""\n\n# b'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "path", "wanted"), LAYOUTS)
def test_only_the_place_is_touched(here: World, text: str, path: str, wanted: str) -> None:
    account_settings.set_setting(account_id=here.acme.pk, actor=here.dan, name="hold_seconds", value=20)
    account_settings.set_setting(account_id=here.acme.pk, actor=here.dan, name="assistant_tokens_a_day", value=7)
    for name in ("vip", "Refund"):
        Tag.objects.create(account=here.acme, name=name)
    found = look_again(here, HEAD + text).at(path)
    assert found is not None
    assert editing.adopt(read(HEAD + text), found) == HEAD + wanted


def test_the_line_that_says_it_is_named(here: World) -> None:
    account_settings.set_setting(account_id=here.acme.pk, actor=here.dan, name="due_minutes", value=60)
    text = HEAD + "settings:\n  # longer\n  hold_seconds: 30\ntags:\n- vip\n- goop\n"
    file = read(text)
    lines = {one.path: editing.line_of(file, one) for one in look_again(here, text).differences}
    assert lines == {"settings.hold_seconds": 5, "settings.due_minutes": None, "tags[vip]": 7, "tags[goop]": 8}


# --- the desk follows ------------------------------------------------------------------------------------------------
def at(world: World, text: str, path: str) -> tuple[Difference, File]:
    file = read(HEAD + text)
    found = compare(file.says, look(account(world))).at(path)
    assert found is not None
    return found, file


def test_a_new_channel_comes_without_its_secret_and_switched_off(here: World) -> None:
    text = "channels: [{type: email, external_id: help@new.test, name: Help, settings: {smtp_host: mail.new.test}}]"
    found, file = at(here, text, "channels[email/help@new.test]")
    follow(account=account(here), actor=here.dan, difference=found, file=file.says)
    channel = Channel.objects.get(external_id="help@new.test")
    assert (channel.is_active, channel.credentials, channel.options.smtp_host) == (False, "", "mail.new.test")  # type: ignore[attr-defined]


@pytest.mark.parametrize(("field", "value", "kept"), [("smtp_host", "mail.thief.test", ""), ("imap_host", "mail.thief.test", ""), ("smtp_port", 2525, "hunter2")])  # fmt: skip
def test_a_secret_does_not_follow_its_channel_to_another_server(here: World, field: str, value: Any, kept: str) -> None:
    settings = {"smtp_host": "mail.acme.test"}
    Channel.objects.filter(pk=here.mail.pk).update(
        is_active=False, credentials="hunter2", incoming_credentials="hunter3", metadata=settings
    )
    name = here.mail.external_id
    wanted = json.dumps({**settings, field: value})
    text = f"channels: [{{type: email, external_id: {name}, name: {here.mail.name}, settings: {wanted}}}]"
    (path,) = [path for path, _ in differences(here, HEAD + text) if path.endswith(field)]
    found, file = at(here, text, path)
    follow(account=account(here), actor=here.dan, difference=found, file=file.says)
    channel = Channel.objects.get(pk=here.mail.pk)
    assert getattr(channel.options, field) == value
    assert (channel.credentials, bool(channel.incoming_credentials)) == (kept, bool(kept))


def test_a_channel_is_never_removed_by_a_file(here: World) -> None:
    found, file = at(here, "channels: []", f"channels[email/{here.mail.external_id}]")
    with assert_nothing_written(), pytest.raises(Invalid, match="never removed by a file"):
        follow(account=account(here), actor=here.dan, difference=found, file=file.says)


def test_a_prompt_comes_into_use_through_its_gate(here: World) -> None:
    text = "Answer in rhymes."
    digest = documents.digest(text)
    found, file = at(here, f"prompts: [{{key: reply, active_sha256: {inline(digest)}}}]", "prompts[reply]")
    assert "No version of the prompt has this text" in why_not(account(here), found)
    PromptVersion.objects.create(account=here.acme, version=1, text=text)
    follow(account=account(here), actor=here.dan, difference=found, file=file.says)
    assert PromptVersion.objects.get().status == "active"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("settings: {hold_seconds: 5}", "settings.hold_seconds"),
        ("retention: {purge_after_days: 5}", "retention.purge_after_days"),
        ("policy: [{role: agent, verb: close, allowed: false}]", "policy[agent/close/any]"),
        ("tags: [vip]", "tags[vip]"),
        ("sites: [{url: 'https://a.test/'}]", "sites[https://a.test/]"),
        ("channels: [{type: email, external_id: help@new.test, name: Help}]", "channels[email/help@new.test]"),
    ],
)
def test_whoever_may_not_manage_makes_nothing_follow(here: World, text: str, path: str) -> None:
    found, file = at(here, text, path)
    for person in (here.ada, here.bo, here.cy):
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            follow(account=account(here), actor=person, difference=found, file=file.says)
    follow(account=account(here), actor=here.dan, difference=found, file=file.says)
    assert AuditEvent.objects.filter(actor_name="Dan").count() == 1


# --- documents -------------------------------------------------------------------------------------------------------
def add(world: World, text: str) -> ConfigDocument:
    return documents.add_document(
        account_id=world.acme.pk, actor=world.dan, text=text, origin=documents.Origin.UPLOADED
    )


def test_a_document_is_stored_once_and_never_changed(here: World) -> None:
    first = add(here, HEAD + "tags: [vip]\r\n")
    assert (first.number, first.by_name, first.text) == (1, "Dan", HEAD + "tags: [vip]\n")
    event = AuditEvent.objects.get(kind="config.document_added")
    assert event.data == {"number": 1, "origin": "uploaded", "sha256": first.sha256}
    with assert_nothing_written(), pytest.raises(Conflict, match="document 1, which is the newest"):
        add(here, HEAD + "tags: [vip]\n")
    assert add(here, HEAD + "tags: []\n").number == 2
    assert add(here, HEAD + "tags: [vip]\n").number == 3  # an older text may come back
    for change in ("UPDATE drafts_configdocument SET text = 'x'", "DELETE FROM drafts_configdocument"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(change)


def test_another_accounts_file_is_refused(here: World) -> None:
    with assert_nothing_written(), pytest.raises(Invalid, match="is of “globex”, not of “acme”"):
        add(here, HEAD.replace("acme", "globex"))


def test_only_who_may_manage_stores_one(here: World) -> None:
    for person in (here.ada, here.bo, here.cy):
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            documents.keep_desk(account_id=here.acme.pk, actor=person)
    assert documents.keep_desk(account_id=here.acme.pk, actor=here.dan).origin == "exported"


def test_taking_one_place_in_makes_a_document_that_says_so(here: World) -> None:
    add(here, HEAD + "settings:\n  hold_seconds: 30  # was too short in May\ntags: [vip]\n")
    new = documents.take_in(account_id=here.acme.pk, actor=here.dan, path="settings.hold_seconds")
    assert (new.number, new.origin, new.path) == (2, "adopted", "settings.hold_seconds")
    assert new.text == HEAD + "settings:\n  hold_seconds: 10  # was too short in May\ntags: [vip]\n"
    with assert_nothing_written(), pytest.raises(Conflict, match="say the same there"):
        documents.take_in(account_id=here.acme.pk, actor=here.dan, path="settings.hold_seconds")


@pytest.mark.parametrize("edited", ["settings: {hold_seconds: 10}\ntags: []\n", "settings: {hold_seconds: [\n", "settings: {hold_seconds: 31}\ntags: [vip]\n"])  # fmt: skip
def test_an_edit_that_does_more_or_less_than_its_place_is_not_stored(
    here: World, monkeypatch: pytest.MonkeyPatch, edited: str
) -> None:
    add(here, HEAD + "settings: {hold_seconds: 30}\ntags: [vip]\n")
    monkeypatch.setattr(editing, "adopt", lambda file, difference: HEAD + edited)
    with assert_nothing_written(), pytest.raises(Invalid, match="Change it by hand"):
        documents.take_in(account_id=here.acme.pk, actor=here.dan, path="settings.hold_seconds")


def test_no_secret_leaves_the_desk(here: World) -> None:
    Channel.objects.filter(pk=here.mail.pk).update(credentials="zebrasecret")
    assert "zebrasecret" not in documents.keep_desk(account_id=here.acme.pk, actor=here.dan).text
