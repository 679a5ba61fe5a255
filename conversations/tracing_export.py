"""Hands spans to a collector: OTLP, protobuf over HTTP, by what Python has. Imported only while traces are on."""

from __future__ import annotations

import logging
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

logger = logging.getLogger(__name__)
TIMEOUT_SECONDS = 3.0


class Collector(SpanExporter):
    """Sends once. What cannot be sent is dropped: spans may be lost, time may not."""

    def __init__(self, endpoint: str, headers: Mapping[str, str]) -> None:
        self._url = f"{endpoint.rstrip('/')}/v1/traces"
        self._headers = {**headers, "Content-Type": "application/x-protobuf"}
        self._is_away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        body = encode_spans(spans).SerializeToString()
        request = urllib.request.Request(self._url, data=body, headers=self._headers)  # noqa: S310 - an operator's own
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310
                self._is_away = False
                return SpanExportResult.SUCCESS
        except (OSError, ValueError) as error:
            if not self._is_away:  # said once, not every five seconds
                logger.warning("the collector of traces is away: %s", type(error).__name__)
            self._is_away = True
            return SpanExportResult.FAILURE
