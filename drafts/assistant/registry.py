"""Which assistant answers: the same settings as the drafter's."""

from __future__ import annotations

from django.conf import settings

from conversations.models import AssistantTurn
from drafts.assistant.port import Assistant
from drafts.llm.endpoint import get_endpoint, get_prices
from ingestion.knowledge.embed import get_remembering_embedder


def get_assistant(engine: str) -> Assistant:
    """The model of the setting DRAFTER; the built-in one without it, and for whom asks for it.

    Raises ImproperlyConfigured as `get_endpoint` does.
    """
    if settings.DRAFTER == "offline" or engine == AssistantTurn.Engine.OFFLINE:
        from drafts.assistant.offline import OfflineAssistant

        return OfflineAssistant(embedder=get_remembering_embedder())
    from drafts.assistant.model import ModelAssistant

    return ModelAssistant(get_endpoint(), temperature=settings.DRAFTER_TEMPERATURE, prices=get_prices())
