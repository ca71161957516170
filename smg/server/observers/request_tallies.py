"""What is counted of each request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from smg.server.observers.tallies import Spread, Spreads, Sums

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.registry import Collector

    from smg.core.events import RequestFinished
    from smg.server.observers.tallies import Labels

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER: Final = "other"

Kind: TypeAlias = "tuple[str, str, int, str, str | None, bool]"
"""Method, route, status, error code (empty where there is none), model (None where none was asked) and streaming."""


class RequestTally:
    """What came of all requests of one kind."""

    __slots__ = ("answer_tokens", "count", "durations", "first_bytes", "prompt_tokens")

    def __init__(self, bounds: list[float]) -> None:
        self.count = 0
        self.durations = Spread(bounds)
        self.first_bytes = Spread(bounds)
        self.prompt_tokens = 0
        self.answer_tokens = 0


class RequestTallies:
    """Counts requests by kind; every value of a kind is from a bounded set."""

    def __init__(self, bounds: list[float]) -> None:
        """Tell times apart by ``bounds``, which rise to infinity."""
        self._bounds = bounds
        self._of: dict[Kind, RequestTally] = {}

    def note(self, event: RequestFinished, model: str | None) -> None:
        """Count one; ``model`` is the event's, or a word for those that nobody serves."""
        trail = event.trail
        method = event.method if event.method in METHODS else OTHER
        kind = (method, trail.route, trail.status or 0, trail.error_code or "", model, trail.streaming)
        tally = self._of.get(kind)
        if tally is None:
            tally = self._of[kind] = RequestTally(self._bounds)
        tally.count += 1
        tally.durations.note(self._bounds, event.duration_secs)
        if event.first_byte_secs is not None:
            tally.first_bytes.note(self._bounds, event.first_byte_secs)
        tally.prompt_tokens += trail.prompt_tokens or 0
        tally.answer_tokens += trail.completion_tokens or 0

    def families(self) -> Iterable[Collector]:
        """Return what Prometheus is shown."""
        endpoint, outcome = ("model", "endpoint"), ("path", "status_code", "error_code")
        return (
            Sums("smg_http_requests_total", "Requests answered.", ("method", "path"), self._requests),
            Spreads(
                "smg_http_request_duration_seconds",
                "From a request's head to its answer's last byte.",
                ("method", "path"),
                self._durations,
                bounds=self._bounds,
            ),
            Sums("smg_http_responses_total", "Answers by outcome.", outcome, self._answers),
            Sums("smg_router_requests_total", "Inference requests.", (*endpoint, "streaming"), self._routed),
            Spreads(
                "smg_router_ttft_seconds",
                "From a request's head to its answer's head.",
                endpoint,
                self._first_bytes,
                bounds=self._bounds,
            ),
            Sums("smg_router_tokens_total", "Tokens counted.", (*endpoint, "token_type"), self._tokens),
        )

    def _requests(self) -> Iterator[tuple[Labels, float]]:
        for (method, route, *_), tally in self._of.items():
            yield (method, route), tally.count

    def _durations(self) -> Iterator[tuple[Labels, Spread]]:
        for (method, route, *_), tally in self._of.items():
            yield (method, route), tally.durations

    def _answers(self) -> Iterator[tuple[Labels, float]]:
        for (_, route, status, code, _, _), tally in self._of.items():
            yield (route, str(status), code), tally.count

    def _routed(self) -> Iterator[tuple[Labels, float]]:
        for (_, route, _, _, model, streaming), tally in self._of.items():
            if model is not None:
                yield (model, route, "true" if streaming else "false"), tally.count

    def _first_bytes(self) -> Iterator[tuple[Labels, Spread]]:
        for (_, route, _, code, model, _), tally in self._of.items():
            if model is not None and not code and any(tally.first_bytes.counts):
                yield (model, route), tally.first_bytes

    def _tokens(self) -> Iterator[tuple[Labels, float]]:
        for (_, route, _, _, model, _), tally in self._of.items():
            if model is not None and tally.prompt_tokens:
                yield (model, route, "input"), tally.prompt_tokens
            if model is not None and tally.answer_tokens:
                yield (model, route, "output"), tally.answer_tokens
