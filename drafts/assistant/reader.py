"""What a person asks of the assistant: a table of intents and one rule for all of them. No model, no chance.

What a person says is read clause by clause. A clause that orders something ("close it", "bitte schließen") and nothing else
may become a proposal; questions about it, reports of it, denials and what stands in quotes never do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

CASE, GENERAL = "case", "general"
ANYWHERE = frozenset({CASE, GENERAL, "project", "infrastructure"})
DESK = frozenset({GENERAL, "project", "infrastructure"})
ENOUGH = 0.6  # of a score; less is no intent
ALIKE = 0.1  # two that are nearer than this are both offered


@dataclass(frozen=True, slots=True)
class Intent:
    """`orders` begin a clause that asks for a change; `says` are found anywhere; `about` are words that make it surer.

    `tool` names what an order proposes; "" answers. `label` is its button, and a sentence that is read as it.
    """

    name: str
    label: str
    contexts: frozenset[str] = ANYWHERE
    says: str = ""
    orders: str = ""
    about: str = ""
    tool: str = ""
    slots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """One clause: the best intents by score, and whether it orders something. `words` is the clause without its quotes."""

    words: str
    ranked: tuple[tuple[float, Intent], ...]
    is_order: bool
    quoted: tuple[str, ...] = ()

    @property
    def intent(self) -> Intent | None:
        return self.ranked[0][1] if self.ranked else None

    @property
    def rivals(self) -> list[Intent]:
        """All that are as likely as the best one; more than one: ask."""
        if not self.ranked:
            return []
        best = self.ranked[0][0]
        return [intent for score, intent in self.ranked if best - score < ALIKE]


_IT = r"(?:it|this|that|him|her|them|these|the (?:case|conversation|thread|ticket|mail|message|customer|request))"
_DE = r"(?:(?:ihn|sie|es|das|dies(?:e[sn]?)?|den|die) ?(?:fall|unterhaltung|gespräch|anfrage|ticket|thread|vorgang)?)"
_ES = r"(?:(?:el|la|este|esta|esto|lo) ?(?:caso|conversación|hilo|ticket|mensaje|solicitud)?)"

INTENTS: tuple[Intent, ...] = (
    Intent(
        "summarise", "Summarise this conversation", frozenset({CASE}),
        says=r"summar(?:y|i[sz]e|i[sz]ing)|sum (?:it|this) up|tl;?dr|the gist|in short\b|catch me up|bring me up to (?:speed|date)|recap"
        r"|what(?:'s| is| was) (?:this|it|all this|the (?:case|thread|conversation)) about|what (?:has )?happened (?:here|so far|in this)"
        r"|what (?:does|do|did|is) (?:he|she|they|it|the customer|this customer|\w+) (?:want|need|ask(?:ing)?(?: for)?|after|asking)\b"
        r"|what (?:have|did|do) we (?:already )?promised?|what was promised|(?:any|our) promises"
        r"|what(?:'s| is) (?:still )?(?:open|unanswered|outstanding)|the story so far|overview of (?:this|the)"
        r"|zusammenfass|fass\b.*zusammen|worum geht|was will (?:er|sie|der kunde|die kundin)|was (?:haben wir|wurde) (?:zugesagt|versprochen)"
        r"|was ist (?:noch )?offen|kurzfassung|überblick"
        r"|resum(?:e|en|ir|ime)|de qué (?:se )?trata|qué quiere (?:el|la|él|ella)|qué (?:hemos )?promet|qué queda (?:pendiente|abierto)",
        about=r"conversation|thread|case|customer|messages?|fall|kunde|cliente|caso|hilo",
    ),
    Intent(
        "similar", "Find similar cases", frozenset({CASE}),
        says=r"similar|(?:answered|seen|had|asked|handled|solved|dealt with) (?:this|that|it|something like (?:this|it)|one like (?:this|it)|such a(?: \w+)?)"
        r"(?: \w+)? (?:before|already|earlier|in the past)|like this (?:one )?before|last time (?:someone|somebody|we)|(?:anyone|anybody|someone|somebody) else (?:ask|had|has|want)"
        r"|(?:cases|tickets|conversations|ones) like (?:this|it)|how did we (?:answer|handle|solve|reply to) (?:this|that|it|those|these|others)"
        r"|(?:previous|earlier|past|older) (?:cases|answers|replies|tickets|conversations)|precedents?|same question before"
        r"|ähnliche|schon (?:einmal|mal) (?:beantwortet|gehabt|gefragt)|hatten wir (?:das|so etwas) schon|wie haben wir (?:das|so etwas) (?:früher )?beantwortet"
        r"|parecid|similares|(?:hemos|habíamos) (?:respondido|tenido|visto) (?:esto|algo así)|casos (?:como este|anteriores)",
        about=r"cases?|before|closed|fälle|casos",
    ),
    Intent(
        "next_step", "What should I do next?", frozenset({CASE}),
        says=r"what (?:should|do|can|must|shall) (?:i|we) do (?:next|now|here|about (?:it|this)|with (?:it|this))|what(?:'s| is) (?:the )?next(?: step| action)?|next steps?|what now\b|what next\b"
        r"|what(?:'s| is) (?:there )?(?:left|to do|missing)(?: (?:to do|here|now))*|how (?:should|do) (?:i|we) proceed|where do (?:i|we) go from here|whose turn"
        r"|was (?:soll|muss|kann) ich (?:jetzt|nun|hier|als nächstes|tun|machen)|nächster schritt|wie (?:geht es|geht's|soll ich) weiter|was ist (?:jetzt )?zu tun"
        r"|qué (?:hago|debo hacer|hay que hacer|sigue)|(?:próximo|siguiente) paso|y ahora qué",
        about=r"next|now|step",
    ),
    Intent(
        "redraft", "Write another draft", frozenset({CASE}),
        orders=r"redraft|re-draft|rewrite|re-write|rephrase|reword|regenerate|shorten|lengthen|(?:write|draft|make|try|do) (?:it |this |that |the (?:draft|reply|answer) |me )?(?:again|anew|another (?:draft|reply|version|one)|a (?:new|shorter|longer|friendlier|better|different|more \w+) (?:draft|reply|version|answer|one))"
        r"|make (?:it|this|that|the (?:draft|reply|answer|text)) (?:a bit |a little |much |sound |less |more )*(?:short|long|friendl|formal|polite|clear|simpl|concise|brief|warm|shorter|nicer|softer|firmer|detailed)\w*"
        r"|(?:mach|schreib|formulier)\w* (?:den entwurf |die antwort |ihn |sie |es |das )?(?:bitte )?(?:neu|kürzer|freundlicher|um|noch einmal|länger|förmlicher)|neuer entwurf|kürze (?:den|die)"
        r"|(?:reescrib|redact|reformul|acort)\w*|haz(?:lo|la)? (?:el borrador |la respuesta )?(?:más )?(?:corto|corta|breve|amable|formal|largo)|escr[ií]be(?:lo|la)? de nuevo",
        about=r"draft|reply|answer|text|version|entwurf|antwort|borrador|respuesta|shorter|friendlier|formal|again",
        tool="redraft",
    ),
    Intent(
        "tags", "Change its tags", frozenset({CASE}),
        orders=r"tag|untag|label|(?:add|put|set|attach|give|apply|remove|drop|delete|take off|take)(?: it| this)? (?:on |to )?(?:it |this |the |a |an |off )?(?:new |(?:\w[\w-]*|␟\d+) )?(?:tags?|labels?)\b"
        r"|mark (?:it|this) as (?:vip|urgent|spam ?trap)\b"
        r"|(?:markier|etikettier|verschlagworte|tagg)\w*|(?:setz|füg|gib|vergib|entfern|nimm)\w* .{0,30}(?:tags?|schlagw(?:ort|örter)|etikett)\w*"
        r"|etiquet\w*|(?:añad|pon|quit|agreg)\w* .{0,20}etiquetas?",
        about=r"tags?|labels?|schlagw|etiquet",
        tool="set_tags", slots=("tags",),
    ),
    Intent(
        "assign", "Hand it to somebody", frozenset({CASE}),
        orders=r"assign|reassign|re-assign|hand (?:it|this|that|over|him|her|them)|hand off|pass (?:it|this|that|her|him) (?:on |over )?to|give (?:it|this|that|the (?:case|conversation|thread)) (?:back )?to|transfer|let (?!me\b|us\b)[\w ]{2,30} (?:take|have|handle|answer|do|deal with) (?:it|this|that|over)|make (?!it\b)[\w ]{2,30} (?:the )?owner"
        r"|(?:weise|weis|gib|übergib|übertrag)\w* .{0,40}(?:zu|an|weiter)\b|zuweisen|übergeben"
        r"|asígn\w*|asign\w*|pás(?:a|e)\w* (?:a|al)|p[aá]sa(?:lo|la|selo)\b|dáselo|transfier\w*",
        about=r"owner|colleague|to \w+",
        tool="assign", slots=("person",),
    ),
    Intent(
        "snooze", "Put it off", frozenset({CASE}),
        orders=r"snooze|remind me|put (?:it|this|that) (?:off|to sleep|aside)|postpone|sleep (?:it|this|on it|on this)|wake (?:it|this|me)|(?:come|get) back to (?:it|this|that|me)|bring (?:it|this) back|defer|hide (?:it|this) (?:until|till|for)|park (?:it|this)|show (?:it|this) (?:to me )?again"
        r"|(?:zurückstell|verschieb|schlummer|vertag)\w*|stell\w* .{0,30}zurück|erinner\w* mich|leg\w* .{0,30}(?:auf )?wieder(?:vor|vorlage)"
        r"|posp[oó]n\w*|aplaz\w*|recuérda\w*|recu[eé]rdame|pospon\w*",
        about=r"until|till|tomorrow|monday|tuesday|wednesday|thursday|friday|saturday|sunday|hours?|days?|weeks?|bis|morgen|hasta|mañana",
        tool="snooze", slots=("time",),
    ),
    Intent(
        "close", "Close it", frozenset({CASE}),
        orders=rf"close(?! the lane| the \w+ lane)(?: {_IT})?(?: down| out)?|resolve(?: {_IT})|mark (?:it |this |that |the (?:case|conversation|ticket) )(?:as )?(?:done|closed|resolved|solved|finished|complete)|finish (?:it|this)(?: off)?|be done with (?:it|this)|shut (?:it|this|the (?:case|conversation|ticket))"
        rf"|(?:schlie(?:ß|ss)\w*|abschlie(?:ß|ss)en|beend\w*)(?: {_DE})?(?: ab)?"
        rf"|(?:ci[eé]rr\w*|cerrar|finaliz\w*)(?: {_ES})?",
        about=r"case|conversation|ticket|because|fall|caso|no longer",
        tool="close",
    ),
    Intent(
        "merge", "Merge it with another", frozenset({CASE}),
        orders=r"merge|combine|join|unite|fold (?:it|this) into|put (?:it|this) together with"
        r"|(?:zusammenführ|zusammenleg|vereinig|verein)\w*|führ\w* .{0,40}zusammen|leg\w* .{0,40}zusammen"
        r"|fusion\w*|combin\w*|un(?:e|ir|a)(?:lo|la)?\b",
        about=r"#?\d+|with|into|mit|con",
        tool="merge", slots=("number",),
    ),
    Intent(
        "rename", "Correct the customer's name", frozenset({CASE}),
        orders=r"rename|(?:change|correct|fix|set|update) (?:the |this |his |her |their )?(?:customer(?:'?s)?|client(?:'?s)?|his|her|their|person(?:'?s)?)? ?name|call (?:the customer|him|her|them) (?!back\b|now\b|today\b|tomorrow\b)"
        r"|benenn\w* .{0,40}um\b|(?:ändere|korrigier)\w* (?:den|ihren|seinen) namen|umbenennen"
        r"|renombr\w*|(?:cambi|corrig)\w* (?:el|su) nombre",
        about=r"name|customer|kunde|cliente|nombre",
        tool="rename_customer", slots=("name",),
    ),
    Intent(
        "escalate", "Escalate it", frozenset({CASE}),
        orders=r"escalate|flag (?:it|this|that)(?: (?:for|to|up))?|raise (?:it|this) (?:with|to)|bump (?:it|this) up|alert (?:a |the |my )?(?:manager|supervisor|lead|reviewer|admin|boss|somebody|someone)|get (?:a |the |my )?(?:manager|supervisor|lead|reviewer|boss)\b|bring (?:it|this) to (?:a |the |my )?(?:manager|supervisor|lead|reviewer|admin|boss)"
        r"|eskalier\w*|hol\w* (?:eine|einen|den|die) (?:chef|leit|vorgesetz)\w*"
        r"|escal[ae]\w*|av[ií]s\w* (?:al|a la|a un|a una) (?:jef|encargad|supervis|respons)\w*",
        about=r"manager|supervisor|lead|urgent|chef|jefe",
        tool="escalate",
    ),
    Intent(
        "golden", "Keep the reply as an approved answer", frozenset({CASE}),
        orders=r"(?:save|keep|store|add|make|turn|propose|suggest|remember|use|record) (?:it|this|that|the (?:reply|answer|draft)|our (?:reply|answer))? ?(?:as |into |to )?(?:an? |the |our )?(?:new )?(?:approved answers?|golden(?: answers?)?|standard (?:answer|reply)|model answer|goldens|reusable (?:answer|reply))|remember (?:this|that|the) (?:answer|reply)|create (?:an? )?(?:approved|golden|standard) answer"
        r"|(?:speicher|merk|übernimm|leg)\w* .{0,30}(?:als |an )?(?:geprüfte|freigegebene|muster|standard)\w* ?(?:antwort)?"
        r"|(?:guard|añad)\w* .{0,25}(?:respuesta (?:aprobada|modelo|estándar))",
        about=r"approved|golden|answer|antwort|respuesta",
        tool="create_golden",
    ),
    Intent(
        "set_setting", "Change a setting", DESK | {CASE},
        orders=r"(?:set|change|raise|lower|increase|decrease|reduce|update|put|adjust|extend|shorten) (?:the |our |my )?␞(?: up| down)?|(?:turn|switch) (?:the |our )?(?:on |off )?(?:the |our )?␞(?: on| off)?|(?:enable|disable|activate|deactivate) (?:the |our )?␞|(?:hold|close) (?:approved )?(?:replies|conversations) for \d+",
        about=r"settings?|to \S+|on|off",
        tool="set_setting", slots=("setting", "value"),
    ),
    Intent(
        "explain_setting", "Explain a setting", ANYWHERE,
        says=r"(?:what (?:does|do|is|are)|explain|tell me about|describe|how (?:does|do)|why (?:do we have|is there)|meaning of)\b.{0,40}␞.{0,30}(?:mean|do|for|work|about|good for)\b|(?:explain|describe|meaning of|what is meant by|purpose of)\b.{0,40}␞|how (?:does|do) (?:the )?␞ work|what (?:is|are) (?:the |our )?␞ for",
        about=r"settings?|mean|for|explain",
    ),
    Intent(
        "show_setting", "Show a setting", ANYWHERE,
        says=r"(?:what(?:'s| is| are)|which|show(?: me)?|tell me|how (?:long|many|much|high)|where (?:is|do)|current(?: value of)?|who (?:changed|set)|when was|is|are|do we have|what do we have)\b.{0,40}␞",
        about=r"settings?|set|now|current|value|changed",
    ),
    Intent(
        "compare", "Compare the configuration with its file", DESK,
        says=r"compare\b.{0,40}(?:config|yaml|file|setting)|(?:config\w*|settings|desk)\b.{0,40}(?:differ|drift|in sync|out of sync|match|agree)|\bdrift\b|differences?\b.{0,30}(?:config|yaml|file)|(?:config\w*|yaml)\b.{0,30}(?:differ|the same)",
        about=r"config\w*|yaml|file|drift",
    ),
    Intent(
        "apply", "Make the desk follow the file", DESK,
        orders=r"apply (?:the |this |that |all )?(?:differences?|file|config\w*|yaml|changes?)|make the desk follow|take (?:it|this|that|the difference)(?: [^.;]{1,80})? into the file|adopt (?:the |this |that )?(?:differences?|change)|sync (?:the )?(?:desk|config\w*|file)",
        about=r"file|desk|difference",
        tool="apply_difference", slots=("path",),
    ),
    Intent(
        "prompt", "Propose another prompt", DESK,
        orders=r"(?:add|write|create|propose|change|update|edit|draft|adjust|amend)\b.{0,40}\bprompt\b|(?:tell|teach) the drafter",
        about=r"prompt|drafter|version",
        tool="add_prompt_version", slots=("text",),
    ),
    Intent(
        "lane", "Shut a lane", DESK,
        orders=r"(?:shut|close|stop|suspend|disable|turn off|switch off|halt)\b.{0,40}\blanes?\b",
        about=r"lane",
        tool="shut_lane", slots=("lane",),
    ),
    Intent(
        "practice", "Practise with a customer", DESK,
        says=r"practi[cs]e|training (?:session|conversation|chat)|role-?play|simulat\w* (?:a )?customer|rehearse|train me",
        about=r"start|begin|customer|scenario",
    ),
    Intent(
        "waiting", "What is waiting?", DESK,
        says=r"what(?:'s|s| is| are)? (?:still |now |currently )?(?:waiting|waits|pending|due\b|overdue|late\b|owed|in (?:the|my|our) queue|on (?:my|our) (?:list|plate|desk))"
        r"|(?:in|show(?: me)?|list|how (?:long|full|big) is|(?:state|status) of|look at|check) (?:the|my|our) queue\b"
        r"|how (?:many|much) (?:drafts?|conversations?|mails?|customers?|tickets?|replies|answers|work|cases)?\b.{0,30}\b(?:wait|waiting|open|pending|due|overdue|owed|left|queue|late)\b"
        r"|what (?:do|should|must|can) (?:i|we) (?:do|work on|start with|answer|begin with) (?:next|first|now|today)|where (?:do|should) (?:i|we) (?:start|begin)"
        r"|(?:who|which \w+)(?: \w+)? (?:is|are|still) (?:still )?(?:waiting|overdue|late|owed)|who (?:waits|still waits)|wh(?:o|om) do we (?:still )?owe|what do we (?:still )?owe"
        r"|(?:is |is there )?anything (?:waiting|urgent|late|overdue|due|to do)|was (?:wartet|liegt an|steht an|ist (?:noch )?(?:offen|überfällig|fällig|zu tun))|wie viele \w+ (?:warten|sind (?:noch )?offen)|wer wartet|in der (?:warte)?schlange"
        r"|qué (?:hay )?(?:está )?(?:espera|esperando|pendiente)|cuánt[oa]s \w+ (?:esperan|están pendientes|hay pendientes)|quién espera|en la cola",
        about=r"queue|wait|drafts?|owed|overdue|today|wart|cola",
    ),
    Intent(
        "search_chats", "Find in my chats", ANYWHERE,
        says=r"(?:find|search|look (?:up|for|through|in)|where|which|in)\b.{0,40}\b(?:my|our|old|earlier|previous|past) (?:chats?|talks?)|(?:when|where|what) did (?:i|we) (?:ask|talk|chat|say|speak)(?: you)?\b|have i (?:asked|talked|chatted)|did i (?:ever )?ask|(?:find|search|show)\b.{0,20}\bchats?\b",
        about=r"chats?|earlier|asked|talked",
    ),
    Intent(
        "undo_last", "Undo the last action", ANYWHERE,
        orders=r"undo|revert|take (?:it|that|this) back|roll (?:it|that|this )?back|reverse (?:it|that|this|the last)|mach\w* .{0,20}rückgängig|deshac\w*|deshaz(?:lo)?",
        about=r"last|action|change|that",
        tool="revert",
    ),
    Intent(
        "help", "What can you do?", ANYWHERE,
        says=r"^(?:help|\?|hilfe|ayuda)\W*$|what (?:all )?(?:can|could) (?:you|i) (?:do|ask|help)|what (?:are you (?:able|good)|do you do)|how (?:do|can) (?:you (?:work|help)|i use (?:you|this))|who are you|your (?:abilities|features|commands)|help me with what|was kannst du|qué puedes hacer",
        about=r"you|help",
    ),
)  # fmt: skip
BY_NAME = {intent.name: intent for intent in INTENTS}
BY_LABEL = {intent.label.casefold(): intent for intent in INTENTS}
ANSWER = Intent("answer", "Answer from the sources")

_POLITE = (
    r"(?:(?:ok(?:ay)?|please|pls|and|then|now|also|so|well|yes|yeah|right|alright|great|thanks|thank you|hey|hi|hello|just|simply|kindly|finally|first|next|go ahead and|could you|can you|would you|will you|"
    r"could you please|can you please|would you mind|let'?s|i want you to|i(?:'d| would) like you to|i need you to|you (?:can|may|should)|we (?:can|should)|do me a favou?r and|bitte|und|dann|jetzt|nun|kannst du|könntest du|würdest du|por favor|y|entonces|ahora|puedes|podrías|quiero que|tú)\b[ ,:;.!]*)*"
)
_CLAUSE = re.compile(
    r"\s*[,;]\s*(?:and |then |und |dann |y |luego )+(?=\w)|\s*;\s*|\s+(?:and then|and also|and|then|und dann|und|y luego|y)\s+(?=\w)|\s*,\s+(?=\w)"
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+|\s*;\s*")
_DENIED = re.compile(
    r"\b(?:don'?t|do not|never|not yet|no need|should not|shouldn'?t|must not|mustn'?t|won'?t|wouldn'?t|can(?:no|')?t|rather not|instead of|without|nicht|kein\w*|niemals|nie|nunca|tampoco)\b|^no\b(?!w)|^sin\b",
    re.IGNORECASE,
)
#: What begins like an order and is none: questions, reports, conditions, wishes about later.
_NO_ORDER = re.compile(
    r"^(?:should|shall|may|might|must|do|does|did|is|are|was|were|has|have|had|am|why|when|where|who|whom|whose|which|what|how|if|unless|once|whenever|suppose|imagine|what if|maybe|perhaps|warum|wann|wer|wie|was|soll(?:te|en)?|darf|wenn|falls|hat|ist|war|kann ich|können wir|por qué|cuándo|quién|cómo|debo|debería|puedo|podemos|si|he|she|they|it|the customer|customer|someone|somebody|i (?!want you|need you|would like you|'d like you)|we (?!can|should)|can (?:i|we|he|she|they)|could (?:i|we|he|she|they)|er|sie hat|der kunde|él|ella|el cliente)\b",
    re.IGNORECASE,
)
_LATER = re.compile(
    r"\b(?:if|unless|only when|as soon as|once (?:he|she|they|it|we)|when (?:he|she|they|the customer)|in case|provided|wenn|falls|sobald|cuando|en caso)\b",
    re.IGNORECASE,
)
_QUOTE = re.compile(r"[\"“„«]([^\"”“»]{1,2000})[\"”“»]|(?<!\w)['‘]([^'’]{2,400})['’](?!\w)")
PLACE = re.compile(r"␟(\d+)")


def unquote(text: str) -> tuple[str, tuple[str, ...]]:
    """The text with each quoted part as a mark, and the parts: what is quoted is what an order is about, never an order."""
    parts: list[str] = []

    def keep(match: re.Match[str]) -> str:
        parts.append((match[1] or match[2]).strip())
        return f"␟{len(parts) - 1}"

    return _QUOTE.sub(keep, text), tuple(parts)


@cache
def _compiled(pattern: str, start: bool) -> re.Pattern[str]:
    if start:
        return re.compile(rf"^{_POLITE}(?:{pattern})(?!\w)", re.IGNORECASE)
    return re.compile(rf"(?<!\w)(?:{pattern})", re.IGNORECASE)


def read(text: str, context: str, *, settings: Iterable[str] = ()) -> list[Reading]:
    """The clauses of what somebody said that mean something, in order; empty when none does: then it is a question for the
    sources. `settings` are the names of settings, as people say them, longest first."""
    label = BY_LABEL.get(text.strip().rstrip(".?!").casefold()) or BY_LABEL.get(text.strip().casefold())
    if label and context in label.contexts:
        return [Reading(text, ((1.0, label),), bool(label.tool))]
    plain, quoted = unquote(text)
    names = _names(tuple(settings))
    whole = _ranked(plain, context, names, order=False)
    found = [
        one
        for sentence in _SENTENCE.split(plain)
        for clause, may_order in _clauses(sentence, context, names)
        if (one := _read_clause(clause, context, names, quoted, may_order=may_order))
    ]
    orders = [one for one in found if one.is_order]
    if orders:
        return orders
    if whole:
        return [Reading(plain, whole, False, quoted)]
    return found


def _clauses(text: str, context: str, names: re.Pattern[str] | None) -> Iterator[tuple[str, bool]]:
    """The parts of a sentence, cut where another order begins ("fuel and E85" is one thing), and whether each may be one: what
    follows a condition, a report or a denial in the same sentence belongs to it ("once he replies, close it")."""
    at, may_order = 0, True
    for cut in [*_CLAUSE.finditer(text), None]:
        if cut is not None and not _ranked(text[cut.end() :], context, names, order=True):
            continue
        clause = text[at : cut.start() if cut else None].strip()
        if clause:
            may_order = may_order and is_order(clause)
            yield clause, may_order
        at = cut.end() if cut else at


def _read_clause(
    clause: str, context: str, names: re.Pattern[str] | None, quoted: tuple[str, ...], *, may_order: bool
) -> Reading | None:
    ordered = _ranked(clause, context, names, order=True) if may_order else ()
    if ordered:
        return Reading(clause, ordered, True, quoted)
    said = _ranked(clause, context, names, order=False)
    return Reading(clause, said, False, quoted) if said else None


def is_order(clause: str) -> bool:
    """Whether a clause can ask for a change: not a question, a report, a condition or a denial."""
    plain = clause.strip()
    if _DENIED.search(plain) or _NO_ORDER.match(plain) or _LATER.search(plain):
        return False
    asks_kindly = re.match(
        r"(?:please |hey |hi )?(?:can|could|would|will) you\b|kannst du|könntest du|würdest du|(?:por favor )?(?:puedes|podrías)",
        plain, re.IGNORECASE,
    )  # fmt: skip
    return not plain.endswith("?") or asks_kindly is not None


def _ranked(
    clause: str, context: str, names: re.Pattern[str] | None, *, order: bool
) -> tuple[tuple[float, Intent], ...]:
    marked = names.sub("␞", clause) if names else clause
    found: list[tuple[float, Intent]] = []
    for intent in INTENTS:
        pattern = intent.orders if order else intent.says
        if context not in intent.contexts or not pattern:
            continue
        match = _compiled(pattern, order).search(marked)
        if match is None:
            continue
        length = min(len(match[0].strip()), 40) / 400  # the longer what was understood, the surer: at most a tenth
        about = 0.2 if intent.about and _compiled(intent.about, False).search(marked) else 0.0
        found.append((round(ENOUGH + about + length + (0.1 if "␞" in match[0] else 0.0), 3), intent))
    found.sort(key=lambda one: -one[0])
    return tuple(found)


@cache
def _names(settings: tuple[str, ...]) -> re.Pattern[str] | None:
    if not settings:
        return None
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, settings))})(?!\w)", re.IGNORECASE)
