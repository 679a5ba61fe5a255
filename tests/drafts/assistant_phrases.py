"""What people say to the assistant, and what they mean by it. `KNOWN` was there when the table of intents was written; `UNSEEN`
was written afterwards and changed nothing in it: only what it showed to be dangerous was repaired (test_assistant_reader.py says what).

A line is `intent: phrase | phrase`. An intent in capitals is an order, which proposes; a + joins those of one sentence. `answer`
is a question for the sources. What is no order must never be read as one.
"""

from __future__ import annotations

from collections.abc import Iterator

KNOWN = {
    "case": """
summarise: summarise this | Summarise it | what is this about? | give me the gist | tl;dr | catch me up please | What does he want? | what did we promise? | what is still open here | what happened so far | worum geht es hier? | was will der Kunde? | de qué se trata | ¿qué quiere el cliente?
similar: have we answered this before? | similar cases | Did anyone else ask for this? | how did we answer this last time | show me cases like this | did we have something like this before | ähnliche Fälle | hatten wir das schon? | ¿casos similares?
next_step: what should I do next? | what now | what's next | next steps | what do I do with this | was soll ich jetzt tun? | ¿qué hago ahora?
REDRAFT: redraft it shorter | make it shorter | Write it again, friendlier | rephrase the draft | please rewrite this more formal | shorten the reply | can you make it friendlier? | write a new draft | schreib es bitte neu | mach den Entwurf kürzer | hazlo más corto
TAGS: tag it fuel | Tag it fuel and E85 | add the tag vip | please tag this as urgent | remove the tag order | label it refund | untag fuel | can you tag it "late parcel"? | tag this so the fuel people find it | markiere es mit fuel | etiquétalo como fuel
ASSIGN: assign it to Mina | give this to Joel | hand it over to Mina Alvarez | Assign to me | please pass this to Joel | let Mina take this | reassign it to ada | could you hand this to Joel? | weise es Mina zu | gib es an Joel | asígnalo a Mina
SNOOZE: snooze until tomorrow 9 | snooze it | remind me on Monday | put it off until Friday | come back to this in 3 days | snooze for two hours | please remind me tomorrow afternoon | postpone this to next week | erinnere mich morgen | verschiebe es auf Montag | posponlo hasta mañana
CLOSE: close it | close this conversation | mark it as done | please close the case | resolve this | mark this resolved, he no longer needs it | can you close it? | schließe den Fall | bitte schließen | cierra el caso
MERGE: merge with #12 | merge this into 45 | combine it with #8 | merge it with conversation 12 please | führe es mit #12 zusammen | fusiónalo con #12
RENAME: rename the customer to Rosa Delmonte | change the customer's name to Rosa | correct her name to "Rosa Delmonte" | fix the name to Rosa | ändere den Namen zu Rosa | cambia el nombre a Rosa
ESCALATE: escalate this | escalate it to Dan because he threatens to sue | flag this for a manager | raise this with Dan: angry customer | get a manager on this | eskaliere das | escala el caso
GOLDEN: save this as an approved answer | make this a golden answer | keep the reply as a standard answer | remember this answer
UNDO_LAST: undo | undo that | take it back | revert the last change
help: help | what can you do? | how do you work? | was kannst du?
answer: which hose fits E85? | Does PTFE hose resist ethanol? | how long is the return window? | can he reuse his hose ends? | what torque for -10 ends | do we ship to Norway? | is the filter included? | who pays for return shipping? | why is rubber bad for E85
answer: should I close it? | don't close it | do not snooze this | he asked us to close his account | the customer wants to merge two orders | when was it closed? | if he writes again, close it | was it tagged? | never assign it to Joel | can I close it? | I closed it yesterday | how do I tag a conversation? | why did you tag it? | who assigned it to Mina | should we escalate this? | what happens when I merge two conversations?
ASSIGN+CLOSE: assign it to Mina and close it | Assign it to Mina, then close it.
REDRAFT+TAGS: redraft it shorter and tag it fuel
TAGS+SNOOZE: Tag it fuel and snooze it until Monday
""",
    "general": """
help: help | what can you do | what can I ask you?
waiting: what's waiting? | what is in the queue | what waits in the queue? | how many drafts are waiting | anything overdue? | who is waiting | what should I do first? | where do I start | whom do we owe an answer | show me the queue | what is due today? | was wartet? | wie viele Entwürfe sind offen | ¿qué está pendiente?
answer: how long is the waiting time for a custom hose? | what is the due date of an invoice | is a late parcel refunded? | how many hoses are in a kit | what should a customer do first after a leak?
search_chats: find my chat about hoses | where did I ask about E85? | search my earlier chats for refunds | have I asked this before?
show_setting: what is the hold time | show the time zone | how long do we hold approved replies | who changed the hold time?
explain_setting: explain lanes | what does check drafts mean? | explain the hold time
SET_SETTING: set the hold time to 20 | turn lanes on | switch off lanes | change the time zone to Berlin
compare: compare the configuration with the file | is the config in sync? | any drift?
APPLY: apply the difference | make the desk follow the file
PROMPT: add to the reply prompt: never promise dates | change the prompt to be shorter
LANE: shut the shipping lane | close the lane for returns
practice: I want to practise | start a practice conversation | role-play a customer
answer: how long do customers have to return something? | does hose resist E85? | what do we charge for shipping? | should I turn lanes on? | do not change the hold time | what would happen if I shut the shipping lane?
""",
}
UNSEEN = {
    "case": """
summarise: can you summarise the conversation for me? | what's this thread about | short recap please | bring me up to speed | what does she need from us? | what have we promised so far? | what's unanswered? | I need an overview of this case | sum it up | fass das bitte zusammen | was ist noch offen? | ¿puedes resumir el caso? | qué hemos prometido
similar: any similar conversations? | have we seen this before | did somebody else have this problem | find earlier cases | how did we handle this in the past? | is there a precedent? | wie haben wir das früher beantwortet? | ¿hemos respondido esto antes?
next_step: what do I do now? | what is the next step here? | how should I proceed | whose turn is it? | what's left to do? | wie geht es weiter? | ¿cuál es el siguiente paso?
REDRAFT: regenerate the draft | make the answer more polite | can you shorten it a bit? | try another version | write me a friendlier reply | reword this please | could you rephrase it | draft it again without the price | formuliere es freundlicher | escríbelo de nuevo
TAGS: put the tag refund on it | give it the label vip | please remove tag fuel | add tags fuel and order | tag as order | take the fuel tag off | can you add the tag "wrong size"? | now tag this conversation order | setz das Schlagwort fuel | pon la etiqueta fuel
ASSIGN: Joel should take this, assign it to him | transfer it to Mina | would you assign this to Joel please? | pass it on to Mina | make Mina the owner | hand this off to Joel | okay, give it to Mina | übergib es an Mina | pásalo a Joel
SNOOZE: snooze this till next Monday at 10 | defer it by two days | hide this until 3 pm | please put this off till tomorrow | could you remind me in an hour? | park this until Thursday | bring it back on 3 March | leg es auf Wiedervorlage bis Freitag | recuérdame mañana
CLOSE: close the ticket | ok close it now | please mark this as closed | finish this | would you close this conversation please? | close it, it was answered by phone | mark the ticket resolved | beende den Fall | cerrar el caso por favor
MERGE: please merge this with case 31 | join it with #7 | fold this into #19 | can you combine this with 14? | lege es mit #9 zusammen | combínalo con #3
RENAME: set the customer's name to Curt Lindqvist | please correct his name to Curt | rename her to "Anna Berg" | update the client name to Berg | benenne den Kunden um in Curt | corrige su nombre a Ana
ESCALATE: please escalate to Dan | alert my supervisor about this | bring this to a manager | flag it for legal | could you escalate this? He mentions a lawyer | eskaliere es an Dan bitte | avisa al jefe
GOLDEN: save the reply as a standard answer please | store this as approved answer | turn this into a golden answer | create an approved answer from it
UNDO_LAST: please undo the last action | revert that | roll it back
help: what are you able to do? | who are you? | how can you help?
answer: what is the warranty on pumps? | how much is shipping to Spain? | are -8 ends compatible with -6 hose? | where do we publish torque figures | does he need a new filter? | what pressure can the hose take | do we have a size chart?
answer: is it already closed? | has somebody assigned this? | please don't tag it | let's not close it yet | we should not merge them | the customer said: close my ticket | She wants her order snoozed | did you snooze it? | only close it if he agrees | once he replies, tag it fuel | could I merge these two? | may I escalate this to Dan? | what if we close it without an answer? | they asked "close it now" | nobody should assign this to Joel | I don't want you to redraft it | wann wurde es geschlossen? | no lo cierres | nicht schließen | he told me to mark it as done yesterday
CLOSE+ESCALATE: close it and escalate to Dan
SNOOZE+ASSIGN: snooze it until Friday and then assign it to Joel
TAGS+REDRAFT: tag it order and make it shorter
""",
    "general": """
help: what do you do? | ?
search_chats: look in my old chats for torque | when did I ask you about tags? | which of my chats mentions lanes? | show my chats about refunds
show_setting: which time zone do we have | what's our hold time? | tell me the time zone | how much are check drafts set to
explain_setting: what are lanes for? | describe check drafts | how do lanes work?
SET_SETTING: please turn off lanes | raise the hold time to 30 seconds | disable check drafts | set our time zone to UTC
compare: does the configuration match the file? | compare settings and yaml | what differs between the desk and the config file
APPLY: apply all differences | adopt that difference
PROMPT: write a new prompt for replies | edit the reply prompt
LANE: stop the returns lane | please suspend the lane for shipping
practice: train me with a hard customer | let us rehearse a call
answer: which sizes of hose do we sell | can a customer return cut hose? | when do refunds arrive? | please do not turn lanes on | would it help to raise the hold time? | why is the shipping lane shut?
""",
}


def phrases(part: dict[str, str]) -> Iterator[tuple[str, str, list[str], bool]]:
    """(context, phrase, the intents that are meant, whether they are orders)."""
    for context, lines in part.items():
        for line in lines.strip().splitlines():
            meant, _, said = line.partition(": ")
            for phrase in said.split(" | "):
                yield context, phrase, meant.lower().split("+"), meant.isupper()
