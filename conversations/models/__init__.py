from conversations.models.actions import ActionReceipt, ProposedAction
from conversations.models.audit import AuditCheckpoint, AuditEvent, AuditHead, AuditSalt
from conversations.models.blocking import BlockedSender
from conversations.models.channel_health import ChannelHealth, ChannelHook
from conversations.models.channel_tokens import ChannelToken
from conversations.models.channels import Channel
from conversations.models.chats import AssistantSession, MessageVector
from conversations.models.customers import AddressMove, Customer, CustomerAddress
from conversations.models.files import StoredFile
from conversations.models.invitations import Invitation
from conversations.models.messages import Attachment, Message
from conversations.models.notes import Note, Watcher
from conversations.models.notices import Notification
from conversations.models.outbox import Delivery, DeliveryAttempt
from conversations.models.search import SearchWords
from conversations.models.signin import FactorReset, Tally
from conversations.models.tags import ConversationTag, Tag
from conversations.models.tenants import (
    Account,
    Membership,
    MembershipChannel,
    PolicyRule,
    Role,
    ServiceToken,
    User,
)
from conversations.models.threads import Conversation, RelatedConversation
from conversations.models.turns import AssistantTurn
from conversations.models.webhooks import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent

__all__ = [
    "Account",
    "ActionReceipt",
    "AddressMove",
    "AssistantSession",
    "AssistantTurn",
    "Attachment",
    "AuditCheckpoint",
    "AuditEvent",
    "AuditHead",
    "AuditSalt",
    "BlockedSender",
    "Channel",
    "ChannelHealth",
    "ChannelHook",
    "ChannelToken",
    "Conversation",
    "ConversationTag",
    "Customer",
    "CustomerAddress",
    "Delivery",
    "DeliveryAttempt",
    "FactorReset",
    "Invitation",
    "Membership",
    "MembershipChannel",
    "Message",
    "MessageVector",
    "Note",
    "Notification",
    "PolicyRule",
    "ProposedAction",
    "RelatedConversation",
    "Role",
    "SearchWords",
    "ServiceToken",
    "StoredFile",
    "Tag",
    "Tally",
    "User",
    "Watcher",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
]
