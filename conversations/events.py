"""What can stand in the audit trail, and the sentence that says it. `conversations.audit` writes and reads it."""

from __future__ import annotations

from django.db import models


class Kind(models.TextChoices):
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_CHANGED = "account.changed"
    PLATFORM_ENTERED = "platform.entered"
    MEMBER_CHANGED = "member.changed"
    MEMBER_CHANNELS_SET = "member.channels_set"
    INVITATION_SENT = "invitation.sent"
    INVITATION_RESENT = "invitation.resent"
    INVITATION_REVOKED = "invitation.revoked"
    INVITATION_ACCEPTED = "invitation.accepted"
    INVITATION_DECLINED = "invitation.declined"
    TOKEN_ISSUED = "token.issued"
    TOKEN_REVOKED = "token.revoked"
    OWN_TOKEN_MADE = "token.own_made"
    OWN_TOKEN_ENDED = "token.own_ended"
    FACTOR_REQUIRED = "factor.required"
    FACTOR_LOST = "factor.lost"
    CHANNEL_CHANGED = "channel.changed"
    CHANNEL_TESTED = "channel.tested"
    CHANNEL_TRIED = "channel.tried"
    CHANNEL_HOOK_MADE = "channel.hook_made"
    CHANNEL_HOOK_REFUSED = "channel.hook_refused"
    POLICY_CHANGED = "policy.changed"
    ADMIN_CHANGED = "admin.changed"
    CONVERSATION_OPENED = "conversation.opened"
    CONVERSATION_CLOSED = "conversation.closed"
    CONVERSATION_REOPENED = "conversation.reopened"
    CONVERSATION_OWED = "conversation.owed"
    CONVERSATION_ASSIGNED = "conversation.assigned"
    CONVERSATION_SNOOZED = "conversation.snoozed"
    CONVERSATION_ANSWERED = "conversation.answered"
    CONVERSATION_TAGGED = "conversation.tagged"
    CONVERSATION_MERGED = "conversation.merged"
    CONVERSATION_UNMERGED = "conversation.unmerged"
    CONVERSATION_WATCHED = "conversation.watched"
    CONVERSATION_UNWATCHED = "conversation.unwatched"
    VIEW_SHARED = "view.shared"
    VIEW_UNSHARED = "view.unshared"
    SENDER_BLOCKED = "sender.blocked"
    SENDER_UNBLOCKED = "sender.unblocked"
    NOTE_WRITTEN = "note.written"
    NOTE_REMOVED = "note.removed"
    MESSAGE_RECEIVED = "message.received"
    MESSAGE_BY_A_PERSON = "message.by_a_person"
    MESSAGE_DELETED_THERE = "message.deleted_there"
    MESSAGE_ERASED = "message.erased"
    DRAFT_WRITTEN = "draft.written"
    DRAFT_BEGUN = "draft.begun"
    CONVERSATION_FORWARDED = "conversation.forwarded"
    DRAFT_FAILED = "draft.failed"
    DRAFT_RETIRED = "draft.retired"
    DRAFT_CLAIMED = "draft.claimed"
    DRAFT_RELEASED = "draft.released"
    DRAFT_HANDED_OVER = "draft.handed_over"
    DRAFT_ASKED_FOR = "draft.asked_for"
    DRAFT_HELD_ON = "draft.held_on"
    DRAFT_EDITED = "draft.edited"
    DRAFT_BROUGHT = "draft.brought"
    DRAFT_APPROVED = "draft.approved"
    DRAFT_REJECTED = "draft.rejected"
    DRAFT_REGENERATED = "draft.regenerated"
    DRAFT_KEPT = "draft.kept"
    DRAFT_SNOOZED = "draft.snoozed"
    DRAFT_READDRESSED = "draft.readdressed"
    DRAFT_FORMATTED = "draft.formatted"
    SNIPPET_SHARED = "snippet.shared"
    SNIPPET_REMOVED = "snippet.removed"
    DRAFT_FILE_ADDED = "draft.file_added"
    DRAFT_FILE_REMOVED = "draft.file_removed"
    DRAFT_UNDONE = "draft.undone"
    DRAFT_ANSWERED_ELSEWHERE = "draft.answered_elsewhere"
    DELIVERY_RELEASED = "delivery.released"
    DELIVERY_CANCELLED = "delivery.cancelled"
    DELIVERY_SENT = "delivery.sent"
    DELIVERY_RETRIED = "delivery.retried"
    DELIVERY_FAILED = "delivery.failed"
    DELIVERY_UNCERTAIN = "delivery.uncertain"
    DELIVERY_RESOLVED = "delivery.resolved"
    DELIVERY_SEEN = "delivery.seen"
    DELIVERY_BOUNCED = "delivery.bounced"
    CHECK_DECIDED = "check.decided"
    LANE_OPENED = "lane.opened"
    LANE_SHUT = "lane.shut"
    DRAFT_SOURCES_CHANGED = "draft.sources_changed"
    SOURCE_REMOVED = "source.removed"
    SOURCE_BROUGHT_BACK = "source.brought_back"
    SITE_CHANGED = "site.changed"
    SITE_REMOVED = "site.removed"
    GOLDEN_PROPOSED = "golden.proposed"
    GOLDEN_DECIDED = "golden.decided"
    GOLDENS_IMPORTED = "goldens.imported"
    JOB_ASKED = "job.asked"
    JOB_RETRIED = "job.retried"
    JOB_FINISHED = "job.finished"
    RETENTION_APPLIED = "retention.applied"
    EXPORT_MADE = "export.made"
    FILE_FETCHED = "file.fetched"
    FILES_ASKED_FOR = "file.asked_for"
    FILE_INFECTED = "file.infected"
    INBOUND_HELD = "inbound.held"
    INBOUND_RETRIED = "inbound.retried"
    INBOUND_MADE = "inbound.made"
    INBOUND_SET_ASIDE = "inbound.set_aside"
    ADDRESS_GIVEN = "address.given"
    ADDRESS_RELEASED = "address.released"
    CONVERSATION_RELATED = "conversation.related"
    CUSTOMERS_MERGED = "customer.merged"
    CUSTOMERS_SPLIT = "customer.split"
    CUSTOMER_RENAMED = "customer.renamed"
    SESSION_STARTED = "session.started"
    SESSION_CLOSED = "session.closed"
    SESSION_EXPIRED = "session.expired"
    SESSION_ERASED = "session.erased"
    TURN_STOPPED = "turn.stopped"
    TURN_FAILED = "turn.failed"
    ACTION_PROPOSED = "action.proposed"
    ACTION_CONFIRMED = "action.confirmed"
    ACTION_SECOND_CONFIRMED = "action.second_confirmed"
    ACTION_REJECTED = "action.rejected"
    ACTION_EXECUTED = "action.executed"
    ACTION_FAILED = "action.failed"
    ACTION_EXPIRED = "action.expired"
    ACTION_REVERTED = "action.reverted"
    PRACTICE_SCORED = "practice.scored"
    SCENARIO_CHANGED = "scenario.changed"
    CONFIG_DOCUMENT_ADDED = "config.document_added"
    WEBHOOK_ADDED = "webhook.added"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_SECRET_MADE = "webhook.secret_made"
    WEBHOOK_SECRET_ENDED = "webhook.secret_ended"
    WEBHOOK_SWITCHED = "webhook.switched"
    WEBHOOK_TESTED = "webhook.tested"
    WEBHOOK_TRIED = "webhook.tried"
    WEBHOOK_REPLAYED = "webhook.replayed"
    WEBHOOK_REMOVED = "webhook.removed"


#: One sentence a kind, filled from `data` when read. `{actor}` is the name as it was then.
SENTENCES: dict[Kind, str] = {
    Kind.ACCOUNT_CREATED: "{actor} created the account {name}",
    Kind.ACCOUNT_CHANGED: "{actor} changed the account: {fields}",
    Kind.PLATFORM_ENTERED: "{actor} entered this account for {minutes} minutes: {reason}",
    Kind.MEMBER_CHANGED: "{actor} set {person} to {role}",
    Kind.MEMBER_CHANNELS_SET: "{actor} lets {person} see {channels}",
    Kind.INVITATION_SENT: "{actor} invited {address} as {role}",
    Kind.INVITATION_RESENT: "{actor} sent the invitation of {address} again",
    Kind.INVITATION_REVOKED: "{actor} withdrew the invitation of {address}",
    Kind.INVITATION_ACCEPTED: "{actor} accepted the invitation of {address} as {role}",
    Kind.INVITATION_DECLINED: "{actor} declined the invitation",
    Kind.TOKEN_ISSUED: "{actor} issued the service token {name}",
    Kind.TOKEN_REVOKED: "{actor} revoked the service token {name}",
    Kind.OWN_TOKEN_MADE: "{actor} made a token of their own for {what}, until {until}",
    Kind.OWN_TOKEN_ENDED: "{actor} ended a token of their own",
    Kind.FACTOR_REQUIRED: "{actor} decided that the account {rule}",
    Kind.FACTOR_LOST: "{actor} lost their second factor: {what}",
    Kind.CHANNEL_CHANGED: "{actor} changed the channel {name}: {fields}",
    Kind.CHANNEL_TRIED: "{actor} ended the pause of the channel {name}",
    Kind.CHANNEL_TESTED: "{actor} sent a test through the channel {name}: {outcome}",
    Kind.CHANNEL_HOOK_MADE: "{actor} made a new address for posts to the channel {name}",
    Kind.CHANNEL_HOOK_REFUSED: "{actor} ended the old address and the old secret of the channel {name}",
    Kind.POLICY_CHANGED: "{actor} changed the policy: {rule}",
    Kind.ADMIN_CHANGED: "{actor} changed {what}: {fields}",
    Kind.CONVERSATION_OPENED: "{actor} opened the conversation on {channel}",
    Kind.CONVERSATION_CLOSED: "{actor} closed the conversation",
    Kind.CONVERSATION_REOPENED: "{actor} reopened the conversation",
    Kind.CONVERSATION_OWED: "{actor} noted what is owed, until {until}, for {to}",
    Kind.CONVERSATION_ASSIGNED: "{actor} made {to} the owner",
    Kind.CONVERSATION_ANSWERED: "{actor} marked it as answered elsewhere",
    Kind.CONVERSATION_SNOOZED: "{actor} snoozed the conversation until {until}",
    Kind.CONVERSATION_TAGGED: "{actor} changed the tags: {what}",
    Kind.CONVERSATION_MERGED: "{actor} merged {what}",
    Kind.CONVERSATION_UNMERGED: "{actor} took {what}",
    Kind.CONVERSATION_WATCHED: "{actor} watches the conversation",
    Kind.CONVERSATION_UNWATCHED: "{actor} watches the conversation no more",
    Kind.VIEW_SHARED: "{actor} shared a saved view with the account",
    Kind.VIEW_UNSHARED: "{actor} made a saved view private again",
    Kind.SENDER_BLOCKED: "{actor} blocked the sender",
    Kind.SENDER_UNBLOCKED: "{actor} unblocked the sender",
    Kind.NOTE_WRITTEN: "{actor} wrote an internal note",
    Kind.NOTE_REMOVED: "{actor} took an internal note back",
    Kind.MESSAGE_RECEIVED: "{actor} wrote",
    Kind.MESSAGE_BY_A_PERSON: "{actor} said that a person wrote message {seq}, which had passed for automatic",
    Kind.MESSAGE_DELETED_THERE: "{actor} deleted message {seq} where it was written",
    Kind.MESSAGE_ERASED: "{actor} removed the text of {count} messages ({rule})",
    Kind.DRAFT_BEGUN: "{actor} began a reply",
    Kind.CONVERSATION_FORWARDED: "{actor} began to forward the thread, in #{number}",
    Kind.DRAFT_WRITTEN: "{actor} wrote a draft with {sources} sources, {unsourced} statements without one",
    Kind.DRAFT_FAILED: "{actor} could not write a draft",
    Kind.DRAFT_RETIRED: "{actor} retired the draft ({status}): {reason}",
    Kind.DRAFT_CLAIMED: "{actor} took the conversation",
    Kind.DRAFT_RELEASED: "{actor} let the conversation go",
    Kind.DRAFT_HANDED_OVER: "{actor} handed the conversation over to {to}",
    Kind.DRAFT_ASKED_FOR: "{actor} asked {holder} for the conversation",
    Kind.DRAFT_HELD_ON: "{actor} kept the conversation although {asker} asked for it",
    Kind.DRAFT_EDITED: "{actor} saved revision {version}",
    Kind.DRAFT_BROUGHT: "{actor} brought revision {version}, written by {writer}",
    Kind.DRAFT_APPROVED: "{actor} approved version {version}",
    Kind.DRAFT_REJECTED: "{actor} rejected the draft: {reasons}",
    Kind.DRAFT_REGENERATED: "{actor} asked for another draft",
    Kind.DRAFT_KEPT: "{actor} kept the draft although the customer wrote again",
    Kind.DRAFT_READDRESSED: "{actor} addressed the reply to {to}",
    Kind.DRAFT_FORMATTED: "{actor} chose to send it as {as}",
    Kind.SNIPPET_SHARED: "{actor} saved the snippet {name} for everybody",
    Kind.SNIPPET_REMOVED: "{actor} removed the shared snippet {name}",
    Kind.DRAFT_FILE_ADDED: "{actor} attached a file",
    Kind.DRAFT_FILE_REMOVED: "{actor} took a file off",
    Kind.DRAFT_SNOOZED: "{actor} snoozed the draft until {until}",
    Kind.DRAFT_UNDONE: "{actor} took the approval back; nothing was sent",
    Kind.DRAFT_ANSWERED_ELSEWHERE: "{actor} marked it as answered elsewhere",
    Kind.DELIVERY_RELEASED: "{actor} let the reply go",
    Kind.DELIVERY_CANCELLED: "{actor} stopped the delivery: {reason}",
    Kind.DELIVERY_SENT: "{actor} delivered the reply on attempt {attempt}",
    Kind.DELIVERY_RETRIED: "{actor} will try again: {error}",
    Kind.DELIVERY_FAILED: "{actor} could not deliver: {error}",
    Kind.DELIVERY_UNCERTAIN: "{actor} cannot tell whether the reply was delivered: {error}",
    Kind.DELIVERY_RESOLVED: "{actor} settled the uncertain delivery: {outcome}",
    Kind.DELIVERY_SEEN: "{actor} found the reply at the provider: it arrived",
    Kind.DELIVERY_BOUNCED: "{actor} reported that the reply bounced",
    Kind.CHECK_DECIDED: "{actor} decided a check draft: {outcome}",
    Kind.LANE_OPENED: "{actor} opened automatic approval for {lane}: {unchanged} of {reviewed} were sent unchanged",
    Kind.LANE_SHUT: "{actor} shut automatic approval for {lane}: {reason}",
    Kind.DRAFT_SOURCES_CHANGED: "{actor} marked the draft: {count} of the passages that it cites changed or went",
    Kind.SOURCE_REMOVED: "{actor} took the document {title} out of use",
    Kind.SOURCE_BROUGHT_BACK: "{actor} lets the page {title} be read again",
    Kind.SITE_CHANGED: "{actor} changed the site {name}: {fields}",
    Kind.SITE_REMOVED: "{actor} removed the site {name} and took its {documents} documents out of use",
    Kind.GOLDEN_PROPOSED: "{actor} proposed an approved answer ({origin})",
    Kind.GOLDEN_DECIDED: "{actor} set an approved answer to {status}",
    Kind.GOLDENS_IMPORTED: "{actor} imported approved answers from {name}: {new} new, {changed} changed",
    Kind.JOB_ASKED: "{actor} asked for the job {type}",
    Kind.JOB_RETRIED: "{actor} started the job {type} again",
    Kind.JOB_FINISHED: "{actor} finished the job {type}: {status}",
    Kind.RETENTION_APPLIED: "{actor} applied retention: {counts}",
    Kind.EXPORT_MADE: "{actor} exported {what}: {rows} rows",
    Kind.FILE_FETCHED: "{actor} fetched a file from where the message was written",
    Kind.FILES_ASKED_FOR: "{actor} had files fetched again",
    Kind.FILE_INFECTED: "{actor} found a file infected: {finding}",
    Kind.INBOUND_HELD: "{actor} kept a mail on {channel} back: {reason}",
    Kind.INBOUND_RETRIED: "{actor} let a mail on {channel} in",
    Kind.INBOUND_MADE: "{actor} made a message of a mail on {channel} that could not be read",
    Kind.INBOUND_SET_ASIDE: "{actor} set a mail on {channel} aside",
    Kind.ADDRESS_GIVEN: "{actor} gave this account the address {address}: {reason}",
    Kind.ADDRESS_RELEASED: "{actor} took the address {address} from this account: {reason}",
    Kind.CONVERSATION_RELATED: "{actor} noted that #{number} may be related: {reason}",
    Kind.CUSTOMERS_MERGED: "{actor} said that two customers are one ({addresses} addresses moved)",
    Kind.CUSTOMERS_SPLIT: "{actor} said that a customer is two ({addresses} addresses moved)",
    Kind.CUSTOMER_RENAMED: "{actor} corrected the customer's name",
    Kind.SESSION_STARTED: "{actor} began a chat with the assistant ({context})",
    Kind.SESSION_CLOSED: "{actor} ended a chat with the assistant",
    Kind.SESSION_EXPIRED: "{actor} ended a chat with the assistant in which nobody wrote any more",
    Kind.SESSION_ERASED: "{actor} removed the texts of a chat with the assistant, {messages} messages ({rule})",
    Kind.TURN_STOPPED: "{actor} stopped an answer of the assistant",
    Kind.TURN_FAILED: "{actor} noted that the assistant gave no answer ({reason})",
    Kind.ACTION_PROPOSED: "{actor} let the assistant propose: {tool}",
    Kind.ACTION_CONFIRMED: "{actor} confirmed what the assistant proposed: {tool}",
    Kind.ACTION_SECOND_CONFIRMED: "{actor} countersigned what the assistant proposed: {tool}",
    Kind.ACTION_REJECTED: "{actor} rejected what the assistant proposed: {tool}",
    Kind.ACTION_EXECUTED: "{actor} carried out what the assistant proposed: {tool}",
    Kind.ACTION_FAILED: "{actor} could not carry out what the assistant proposed: {tool}; nothing was changed",
    Kind.ACTION_EXPIRED: "{actor} ended a proposal of the assistant: {tool} ({reason}); nothing was changed",
    Kind.ACTION_REVERTED: "{actor} took back what a proposal had done: {tool}",
    Kind.PRACTICE_SCORED: "{actor} ended a practice with {answers} answers",
    Kind.SCENARIO_CHANGED: "{actor} {what} a scenario to practise with, version {version}",
    Kind.CONFIG_DOCUMENT_ADDED: "{actor} stored document {number} of the configuration ({origin})",
    Kind.WEBHOOK_ADDED: "{actor} lets {host} be told of {events}, {texts}",
    Kind.WEBHOOK_CHANGED: "{actor} changed what {host} is told: {fields}, now {events}, {texts}",
    Kind.WEBHOOK_SECRET_MADE: "{actor} made a new signing secret for {host}",
    Kind.WEBHOOK_SECRET_ENDED: "{actor} ended the old signing secret of {host}",
    Kind.WEBHOOK_SWITCHED: "{actor} switched the events to {host} {state}: {reason}",
    Kind.WEBHOOK_TESTED: "{actor} sent a test event to {host}",
    Kind.WEBHOOK_TRIED: "{actor} let {host} be tried at once",
    Kind.WEBHOOK_REPLAYED: "{actor} sent {count} events to {host} again",
    Kind.WEBHOOK_REMOVED: "{actor} removed the endpoint {host}",
}
