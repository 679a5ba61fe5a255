from conversations.models.audit import AuditCheckpoint, AuditEvent, AuditHead, AuditSalt
from conversations.models.channels import Channel
from conversations.models.invitations import Invitation
from conversations.models.notices import Notification
from conversations.models.outbox import Delivery, DeliveryAttempt
from conversations.models.search import SearchWords
from conversations.models.signin import FactorReset, Tally
from conversations.models.tenants import (
    Account,
    Membership,
    MembershipChannel,
    PolicyRule,
    Role,
    ServiceToken,
    User,
)
from conversations.models.threads import Attachment, Conversation, Message, RelatedConversation

__all__ = [
    "Account",
    "Attachment",
    "AuditCheckpoint",
    "AuditEvent",
    "AuditHead",
    "AuditSalt",
    "Channel",
    "Conversation",
    "Delivery",
    "DeliveryAttempt",
    "FactorReset",
    "Invitation",
    "Membership",
    "MembershipChannel",
    "Message",
    "Notification",
    "PolicyRule",
    "RelatedConversation",
    "Role",
    "SearchWords",
    "ServiceToken",
    "Tally",
    "User",
]
