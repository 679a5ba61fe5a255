from __future__ import annotations

import os
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponseBase

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class OneHopHandler(ASGIHandler):
    """Django's handler, with middleware and view in one hop to the request's thread (docs/decisions/0011).

    All of ours are synchronous. Django's own handler builds the chain for an event loop and then crosses between loop and
    thread four times a request. What a view streams is still iterated in the loop.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        answer: Any = sync_to_async(self.get_response, thread_sensitive=True)
        response: HttpResponseBase = await answer(request)
        return response


django.setup(set_prefix=False)
application = OneHopHandler()
