"""Which drafter this installation uses."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from drafts.writing.port import Drafter
from ingestion.knowledge.embed import get_remembering_embedder


def get_drafter() -> Drafter:
    """The drafter of the setting DRAFTER: "offline" (default; nothing leaves the house), "openai" or "anthropic".

    Raises ImproperlyConfigured for any other word, and for a model drafter without a model's name or
    (Anthropic) a key.
    """
    kind: str = settings.DRAFTER
    if kind == "offline":
        from drafts.writing.offline import OfflineDrafter

        return OfflineDrafter(embedder=get_remembering_embedder())
    if kind not in ("openai", "anthropic"):
        raise ImproperlyConfigured(f'DRAFTER is "{kind}"; it must be "offline", "openai" or "anthropic".')
    if kind == "anthropic" and not settings.DRAFTER_KEY:
        raise ImproperlyConfigured('DRAFTER is "anthropic", so DRAFTER_KEY must hold an API key.')
    if not settings.DRAFTER_MODEL:
        raise ImproperlyConfigured(f'DRAFTER is "{kind}", so DRAFTER_MODEL must name a model.')
    from drafts.writing.model import ModelDrafter

    return ModelDrafter(
        provider=kind,
        model=settings.DRAFTER_MODEL,
        url=settings.DRAFTER_URL,
        key=settings.DRAFTER_KEY,
        timeout=float(settings.DRAFTER_TIMEOUT_SECONDS),
        output=settings.DRAFTER_OUTPUT,
        temperature=settings.DRAFTER_TEMPERATURE,
        embedder=get_remembering_embedder(),
        prices=(settings.DRAFTER_PRICE_IN, settings.DRAFTER_PRICE_OUT) if settings.DRAFTER_PRICE_OUT else None,
    )
