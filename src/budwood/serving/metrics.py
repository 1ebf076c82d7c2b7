"""Counts of the server, as Prometheus reads them. No name, picture or address of a client is in them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from budwood.serving.schema import PicturePrediction

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The counts of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        within = self.registry
        self.requests = Counter(
            "budwood_requests", "Requests, by route and status.", ["route", "status"], registry=within
        )
        self.seconds = Histogram(
            "budwood_request_seconds",
            "From the head of a request to its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=within,
        )
        self.pictures = Counter(
            "budwood_pictures", "Pictures, by what was said.", ["model", "outcome"], registry=within
        )
        self.under_way = Gauge(
            "budwood_pictures_under_way", "Pictures that are computed or wait.", registry=within
        )
        self.held = Gauge("budwood_body_bytes", "Bytes of bodies that are held.", registry=within)

    def count(self, model: str, found: PicturePrediction) -> None:
        """Count what was said of a picture."""
        if found.error is not None:
            outcome = "unreadable"
        elif found.none_of_these:
            outcome = "none_of_these"
        else:
            outcome = "answered" if found.confident else "not_confident"
        self.pictures.labels(model, outcome).inc()

    def as_text(self) -> bytes:
        """Return all counts in Prometheus's format."""
        return generate_latest(self.registry)
