"""Which drafter this installation uses."""

from __future__ import annotations

from django.conf import settings

from drafts.llm.endpoint import get_endpoint, get_prices
from drafts.writing.port import Drafter
from ingestion.knowledge.embed import get_remembering_embedder


def get_drafter() -> Drafter:
    """The drafter of the setting DRAFTER: "offline" (default; nothing leaves the house), "openai" or "anthropic".

    Raises ImproperlyConfigured for any other word, and for a model drafter without a model's name or
    (Anthropic) a key.
    """
    if settings.DRAFTER == "offline":
        from drafts.writing.offline import OfflineDrafter

        return OfflineDrafter(embedder=get_remembering_embedder())
    endpoint = get_endpoint()
    from drafts.writing.model import ModelDrafter

    return ModelDrafter(
        endpoint, temperature=settings.DRAFTER_TEMPERATURE, embedder=get_remembering_embedder(), prices=get_prices()
    )


def follows_instructions() -> bool:
    """Whether an instruction changes what the drafter writes; the offline one quotes its sources whatever it is told."""
    return bool(settings.DRAFTER != "offline")
