"""The built-in assistant: reads what is asked by a table, answers in the sources' and the messages' own sentences.

No model, no network, no chance: the same question in the same world gets the same answer. It proposes what an order asks for
and nothing else, and every statement that it makes has a source or a message.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from conversations.answer_shapes import AnswerClaim, AnswerSource, Said, Step
from conversations.metadata import SessionContext
from drafts.assistant import configuring
from drafts.assistant.orders import ARGUMENTS as OF_A_CASE
from drafts.assistant.orders import REASONS, Missing, as_slot, could_be, own_words
from drafts.assistant.port import Case, Proposed, Reply, Request, Tell, Toolbox
from drafts.assistant.reader import ANSWER, BY_NAME, CASE, Intent, Reading, read
from drafts.assistant.summary import summarise
from drafts.assistant.taint import is_tainted
from drafts.writing.letter import lay_out
from drafts.writing.markdown import read_out
from drafts.writing.offline import find_quotes
from drafts.writing.port import DraftRequest, Source, Statement
from drafts.writing.reading import plants_instruction
from drafts.writing.relevance import asks_of
from drafts.writing.statements import check_statements, factual_sentences
from ingestion.knowledge.embed import Embedder
from ingestion.knowledge.words import terms

T = TypeVar("T")
MODEL_KEY = "offline-assistant-v1"
QUOTE = 320
CAN = "I can summarise a conversation, find similar ones, answer from your sources, and propose a change for you to confirm."
NOT_SAID = "The sources do not say."
PROPOSED = "{count}. Nothing happens until you confirm it."
ASKS = {
    "time": "Until when?", "person": "To whom?", "number": "With which conversation? Its number is enough, like #12.",
    "tags": "Which tag?", "name": "What is the right name?", "note": "What should they know?",
    "closing_reason": "Why is it closed?", "golden": "Which answer? Put it in quotes.",
    "value": "To what?", "lane": "The lane of which topic?", "difference": "Which difference?",
    "text": "What are drafters told? Put the whole prompt in quotes.",
}  # fmt: skip
ARGUMENTS = {
    **OF_A_CASE,
    "set_setting": configuring.new_setting,
    "lane": configuring.lane_to_shut,
    "prompt": configuring.new_prompt,
}
BY_HAND = {
    "practice": "Practice has a page of its own, beside your chats: choose a scenario there, and a played customer writes.",
    "undo_last": "What was done can be taken back on its card, or by hand in the conversation. I do not take anything back from here.",
    "elsewhere": "Settings are changed in a chat of its own: open Chats, and ask there.",
}  # fmt: skip


@dataclass(slots=True)
class _Course:
    """One turn under way: what is asked and looked up, and what was done for it, shown as it comes."""

    request: Request
    toolbox: Toolbox
    tell: Tell
    embedder: Embedder | None
    steps: list[Step] = field(default_factory=list)

    def look(self, words: str, what: Callable[[], T]) -> T:
        """Do one step, and show it. Raises Stopped when the person wants no more."""
        began = time.monotonic()
        if not self.tell("", [*self.steps, Step(text=words)]):
            raise Stopped
        found = what()
        self.steps.append(Step(text=words, seconds=round(time.monotonic() - began, 1)))
        return found


class Stopped(Exception):
    """The person stopped it."""


class OfflineAssistant:
    """Implements ``port.Assistant``. Without an embedder it compares words only and gives up more often."""

    def __init__(self, *, embedder: Embedder | None) -> None:
        self._embedder = embedder

    def turn(self, request: Request, toolbox: Toolbox, *, tell: Tell) -> Reply:
        course = _Course(request, toolbox, tell, self._embedder)
        try:
            reply = _reply(course)
        except Stopped:
            reply = Reply("", is_stopped=True)
        mind = reply.mind or request.mind.model_copy(update={"open_slot": "", "open_words": ""})
        return replace(
            reply, steps=course.steps, model=MODEL_KEY, mind=mind, is_tainted=is_tainted(request, [reply.text])
        )


def _reply(course: _Course) -> Reply:
    request = course.request
    readings = _readings(request)
    if not readings:
        return _answer(course)
    orders = [one for one in readings if one.is_order]
    if not orders:
        rivals = readings[0].rivals
        if len(rivals) > 1:
            return Reply("Which one do you mean?", choices=[one.label for one in rivals], intent=rivals[0].name)
        return _ANSWERS.get(rivals[0].name, _answer)(course)
    if plants_instruction(request.text):
        return Reply(
            "That holds words that speak to a model, as pasted texts sometimes do, so I propose nothing. Say what you want in your own words.",
            intent=orders[0].ranked[0][1].name,
        )
    return _propose(course, orders)


def _readings(request: Request) -> list[Reading]:
    """What is said now; or, where a detail was asked for, what was said before with the detail."""
    names = sorted({name for setting in request.settings for name in setting.names}, key=lambda one: -len(one))
    readings = read(request.text, request.context, settings=names)
    waiting, _, slot = request.mind.open_slot.partition(".")
    if waiting in BY_NAME and not any(one.is_order for one in readings) and could_be(slot, request):
        before = read(request.mind.open_words, request.context, settings=names)
        joined = f"{before[0].words if before else request.mind.open_words} {as_slot(slot, request.text)}"
        quoted = before[0].quoted if before else ()
        return [Reading(joined, ((1.0, BY_NAME[waiting]),), True, quoted)]
    return readings


# --- orders -----------------------------------------------------------------------------------------------------------
def _propose(course: _Course, orders: Sequence[Reading]) -> Reply:
    """A card for each order; or one question, where a detail is missing or two readings are as likely."""
    proposals: list[Proposed] = []
    problems: list[str] = []
    first = orders[0].ranked[0][1].name
    for order in orders:
        if len(order.rivals) > 1:
            return Reply("Which one do you mean?", choices=[one.label for one in order.rivals], intent=first)
        intent = order.rivals[0]
        if intent.name == "undo_last":
            problems.append(BY_HAND["undo_last"])
            continue
        if intent.name == "set_setting" and course.request.context == CASE:
            problems.append(BY_HAND["elsewhere"])
            continue
        meant = _meant(course, intent, order)
        if isinstance(meant, Missing):
            if meant.why:
                problems.append(meant.why)
                continue
            return _with(_ask(course.request, intent, order, meant), proposals, problems)
        for wanted in meant:
            problem = course.look("Checked whether it is possible", lambda wanted=wanted: course.toolbox.problem(wanted.tool, wanted.arguments))  # type: ignore[misc]  # fmt: skip
            if problem and wanted.tool == "close" and not wanted.arguments["reason"] and problem.startswith("Say why"):
                missing = Missing("closing_reason", choices=REASONS)
                return _with(_ask(course.request, intent, order, missing), proposals, problems)
            if problem:
                problems.append(problem)
            else:
                proposals.append(wanted)
    return _with(Reply("", intent=first), proposals, problems)


def _meant(course: _Course, intent: Intent, order: Reading) -> list[Proposed] | Missing:
    if intent.name == "apply":
        found = course.look("Compared the desk with its file", course.toolbox.on_file)
        return configuring.differences_meant(found, order)
    arguments = ARGUMENTS[intent.name](course.request, order)
    return arguments if isinstance(arguments, Missing) else [Proposed(intent.tool, arguments)]


def _with(reply: Reply, proposals: Sequence[Proposed], problems: Sequence[str]) -> Reply:
    """What could be proposed, and what could not, before what the reply says itself."""
    count = "One change" if len(proposals) == 1 else f"{len(proposals)} changes"
    said = [PROPOSED.format(count=count)] if proposals else []
    text = "\n".join(line for line in (*problems, *said, reply.text) if line)
    return replace(reply, text=text, proposals=proposals, intent=proposals[0].tool if proposals else reply.intent)


def _ask(request: Request, intent: Intent, order: Reading, missing: Missing) -> Reply:
    question = "Which one?" if missing.choices and missing.slot == "person" else ASKS[missing.slot]
    mind = request.mind.model_copy(
        update={"open_slot": f"{intent.name}.{missing.slot}", "open_words": own_words(order)}
    )
    return Reply(question, choices=list(missing.choices), intent=intent.name, mind=SessionContext.model_validate(mind.model_dump()))  # fmt: skip


# --- answers ----------------------------------------------------------------------------------------------------------
def _summarise(course: _Course) -> Reply:
    case = _case(course.request)
    text, claims = course.look(f"Read {_count(len(case.messages), 'message')}", lambda: summarise(case))
    return Reply(text or "Nobody wrote in it yet.", claims=claims, intent="summarise")


def _similar(course: _Course) -> Reply:
    case = _case(course.request)
    asked = next((one.text for one in reversed(case.messages) if not one.ours), case.subject)
    found = course.look(
        "Searched closed conversations", lambda: course.toolbox.similar(f"{case.subject}\n{asked}", case)
    )
    if not found:
        return Reply("No closed conversation is like this one.", intent="similar")
    text, claims = f"{_count(len(found), 'closed conversation')} like this one. The closest first.", []
    for one in found:
        told = " ".join(sentence.text for sentence in factual_sentences(one.reply)) or one.reply
        line = f"#{one.number} {one.customer}, {one.closed}: {_short(told)}"
        start = len(text) + 1
        text += f"\n{line}"
        said = [Said(conversation=str(one.id), message=str(one.reply_id), label=f"#{one.number}")]
        claims.append(AnswerClaim(start=start, end=start + len(line), said=said))
    return Reply(text, claims=claims, intent="similar")


def _next_step(course: _Course) -> Reply:
    case = _case(course.request)
    text, claims = f"State: {case.state}", []
    here = Said(conversation=str(case.id), label=f"#{case.number}")
    claims.append(AnswerClaim(start=7, end=len(text), said=[here], label="State"))
    if case.draft:
        doubts = f" {_count(case.unsourced, 'statement')} without a source: look there first." if case.unsourced else ""
        line = f"A draft waits: read it, then approve, edit or reject it.{doubts}"
    elif case.messages and not case.messages[-1].ours:
        line = "Nobody has answered the last message: write a reply, or close it with a reason."
    else:
        line = "The last word is ours: the customer is next."
    text += "\nNext: "
    claims.append(AnswerClaim(start=len(text), end=len(text) + len(line), said=[here], label="Next"))
    return Reply(text + line, claims=claims, intent="next_step")


def _setting(course: _Course) -> Reply:
    found = configuring.setting_meant(course.request.text, course.request.settings)
    if found is None:
        return _answer(course)
    changed = course.look("Read the settings", lambda: course.toolbox.last_change(found.key))
    return configuring.told(found, changed, course.look("Compared it with the file", course.toolbox.on_file))


def _compare(course: _Course) -> Reply:
    return configuring.compared(course.look("Compared the desk with its file", course.toolbox.on_file))


def _chats(course: _Course) -> Reply:
    found = course.look("Searched your chats", lambda: course.toolbox.own_chats(_searched(course.request.text)))
    if not found:
        return Reply("None of your chats holds these words. Only your own chats are searched.", intent="search_chats")
    lines = [f"- {title}: {_short(line, 120)}" for _, title, line in found[:5]]
    return Reply("\n".join([f"{_count(len(found), 'chat')} of yours:", *lines]), intent="search_chats")


def _searched(text: str) -> str:
    """The words that tell, without those of the question itself."""
    quiet = {"find", "search", "chat", "chats", "look", "show", "ask", "asked", "talk", "said", "say", "earlier", "old", "previous", "past"}  # fmt: skip
    return " ".join(word for word in text.replace("?", " ").split() if terms(word) and word.casefold() not in quiet)


def _waiting(course: _Course) -> Reply:
    found = course.look("Looked at the queue", course.toolbox.at_desk)
    mine = f", {found.mine} of them yours" if found.mine else ""
    late = f", {found.late} of them late" if found.late else ""
    counts = [f"{_count(found.drafts, 'draft')} to decide{mine}."] if found.drafts else []
    counts += [f"{_count(found.owed, 'conversation')} owed an answer{late}."] if found.owed else []
    text = " ".join(counts) or "Nothing waits: no draft to decide, no customer who is owed an answer."
    claims = []
    for one in found.first:
        when = f"a draft since {one.since}" if one.since else f"owed, due {one.due}{', late' if one.is_late else ''}"
        line = f"#{one.number} {one.customer}, {_short(one.subject, 80)}: {when}"
        start = len(text) + 1
        text += f"\n{line}"
        said = [Said(conversation=str(one.id), label=f"#{one.number}")]
        claims.append(AnswerClaim(start=start, end=start + len(line), said=said))
    return Reply(text, claims=claims, intent="waiting")


def _help(course: _Course) -> Reply:
    here = [CAN, "It changes nothing by itself: a change is a card, and you confirm it."]
    shown = ("summarise", "similar", "next_step") if course.request.context == CASE else ()
    return Reply("\n".join(here), choices=[BY_NAME[name].label for name in shown], intent="help")


def _by_hand(name: str) -> Callable[[_Course], Reply]:
    return lambda course: Reply(BY_HAND[name], intent=name)


def _answer(course: _Course) -> Reply:
    """From the sources, in their own sentences; or that they do not say."""
    request = course.request
    text = request.text
    found, recogniser = course.look("Searched the sources", lambda: course.toolbox.sources(_with_subject(request)))
    asks = asks_of(text)
    draft = DraftRequest(
        thread=(), question=text, customer_name="", sources=found, prompt_text="", prompt_version="", account_name="",
        recogniser=recogniser,
    )  # fmt: skip
    quotes = course.look("Chose what answers it", lambda: find_quotes(draft, asks, course.embedder))
    if not quotes.quotes:
        closest = f" The closest is “{found[0].place}”." if found else ""
        say = f"{NOT_SAID}{closest}" if asks_something(text) else CAN
        return Reply(
            say, sources=_sources(found[:1], {}) if found and closest and say is not CAN else (), intent="answer"
        )
    answer, spans = lay_out(quotes.quotes)
    given = [Statement(start, end, (key,)) for start, end, key in spans]
    statements = course.look(
        f"Checked {_count(len(spans), 'statement')}", lambda: check_statements(answer, given, found)
    )
    cited = list(dict.fromkeys(key for one in statements for key in one.source_ids))
    numbers = {key: at + 1 for at, key in enumerate(cited)}
    claims = [
        AnswerClaim(start=one.start, end=one.end, sources=[numbers[key] for key in one.source_ids])
        for one in statements
    ]
    if quotes.open_asks:
        answer += f"\n\n{NOT_SAID[:-1]} more on the rest of your question."
    first = [next(source for source in found if source.passage_id == key) for key in cited]
    said = {key: [answer[one.start : one.end] for one in statements if key in one.source_ids] for key in cited}
    return Reply(answer, claims=claims, sources=_sources(first, said), intent=ANSWER.name)


def asks_something(text: str) -> bool:
    return len(terms(text)) >= 2 or "?" in text


def _with_subject(request: Request) -> str:
    """A short question in a case is about the case: "and for E85?"."""
    if request.case and len(terms(request.text)) < 4:
        return f"{request.case.subject}\n{request.text}"
    return request.text


def _sources(sources: Sequence[Source], said: dict[Any, list[str]]) -> list[AnswerSource]:
    return [
        AnswerSource(
            passage=str(one.passage_id), title=one.place[:300], url=one.url[:2000], quote=_short(" ".join(said.get(one.passage_id, [])) or read_out(one.text))
        )
        for one in sources
    ]  # fmt: skip


def _case(request: Request) -> Case:
    assert request.case is not None, "the intent is of a case's context"
    return request.case


def _short(text: str, most: int = QUOTE) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most].rsplit(' ', 1)[0]} …"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


_ANSWERS: dict[str, Callable[[_Course], Reply]] = {
    "summarise": _summarise,
    "similar": _similar,
    "next_step": _next_step,
    "show_setting": _setting,
    "explain_setting": _setting,
    "compare": _compare,
    "practice": _by_hand("practice"),
    "search_chats": _chats,
    "waiting": _waiting,
    "help": _help,
}
