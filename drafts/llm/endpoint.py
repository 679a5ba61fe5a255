"""Which language model is asked, and what it costs: shared by everything that asks one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic_ai.models import Model
    from pydantic_ai.output import OutputSpec

Answer = TypeVar("Answer", bound=BaseModel)
PROVIDERS = ("openai", "anthropic")
Tokens = tuple[int, int]  # that went into a model, and that came out
Prices = tuple[float, float]  # for a million tokens in and out, in the currency of the installation


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model behind an address. ``provider`` is "openai" (any endpoint that speaks its chat completions; ``url`` ends before
    ``/chat/completions``) or "anthropic"; an empty ``url`` is the provider's own. ``timeout`` is seconds for a whole answer,
    corrections included; ``output`` is how an answer is asked for (`output_as`)."""

    provider: str
    model: str
    url: str = ""
    key: str = ""
    timeout: float = 60.0
    output: str = "schema"

    @property
    def name(self) -> str:
        """How the model is named on a draft; at most 100 characters."""
        return f"{self.provider}:{self.model}"[:100]

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[Model]:
        """Made for each request: a client belongs to the event loop it was made in, and is closed in it. No retries of its own."""
        if self.provider == "anthropic":
            from anthropic import AsyncAnthropic
            from pydantic_ai.models.anthropic import AnthropicModel
            from pydantic_ai.providers.anthropic import AnthropicProvider

            async with AsyncAnthropic(
                api_key=self.key, base_url=self.url or None, max_retries=0, timeout=self.timeout
            ) as claude:
                yield AnthropicModel(self.model, provider=AnthropicProvider(anthropic_client=claude))
            return
        from openai import AsyncOpenAI
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        async with AsyncOpenAI(
            api_key=self.key or "none", base_url=self.url or None, max_retries=0, timeout=self.timeout
        ) as client:
            yield OpenAIChatModel(self.model, provider=OpenAIProvider(openai_client=client))

    def output_as(self, kind: type[Answer]) -> OutputSpec[Answer]:
        """How an answer of this kind is asked for: "schema" has an OpenAI-compatible server write by its JSON schema
        (`response_format`; servers of local models enforce it token by token, and small models need that), "tool" as the
        arguments of a function, which every server knows and none enforces. Anthropic's is always asked by tool."""
        from pydantic_ai import NativeOutput, ToolOutput

        if self.provider == "openai" and self.output == "schema":
            return NativeOutput(kind, strict=True)
        return ToolOutput(kind, name="final_result")


def get_endpoint() -> Endpoint:
    """The model of this installation's settings (DRAFTER and what begins with its name).

    Raises ImproperlyConfigured for a provider nobody knows, without a model's name, and (Anthropic) without a key.
    """
    provider: str = settings.DRAFTER
    if provider not in PROVIDERS:
        raise ImproperlyConfigured(f'DRAFTER is "{provider}"; it must be "offline", "openai" or "anthropic".')
    if provider == "anthropic" and not settings.DRAFTER_KEY:
        raise ImproperlyConfigured('DRAFTER is "anthropic", so DRAFTER_KEY must hold an API key.')
    if not settings.DRAFTER_MODEL:
        raise ImproperlyConfigured(f'DRAFTER is "{provider}", so DRAFTER_MODEL must name a model.')
    return Endpoint(
        provider=provider,
        model=settings.DRAFTER_MODEL,
        url=settings.DRAFTER_URL,
        key=settings.DRAFTER_KEY,
        timeout=float(settings.DRAFTER_TIMEOUT_SECONDS),
        output=settings.DRAFTER_OUTPUT,
    )


def get_prices() -> Prices | None:
    """What the installation's settings say that its model costs; None if they do not say."""
    return (settings.DRAFTER_PRICE_IN, settings.DRAFTER_PRICE_OUT) if settings.DRAFTER_PRICE_OUT else None


def cost_micros(used: Tokens, prices: Prices | None) -> int | None:
    """Millionths of the currency; None without prices. A price for a million tokens is a millionth of it for each."""
    return None if prices is None else round(used[0] * prices[0] + used[1] * prices[1])
