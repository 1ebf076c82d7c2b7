"""What one request may ask for, and how many may ask at once. The pixels of a picture are bounded by the decoder,
`BUDWOOD_MAX_PIXELS`."""

from dataclasses import dataclass, field

from budwood.core.system import num_cores

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Limits:
    """Bounds of the server. What is beyond them is refused before it is computed."""

    upload: int = 20 * MEGABYTE
    """Bytes of one request's body."""
    batch: int = 32
    """Pictures of one request."""
    seconds: float = 30.0
    """How long the answer may take once the whole body is there."""
    head_seconds: float = 10.0
    """How long the head of a request may take to come."""
    body_seconds: float = 30.0
    """How long its body may: a phone is as slow with a large photo."""
    waiting: int = field(default_factory=lambda: 32 * num_cores())
    """Pictures under way or waiting; beyond them the answer is 503 with Retry-After."""
    memory: int = 256 * MEGABYTE
    """Bytes of all bodies that are held at once."""
    rate: float | None = None
    """Requests a second of one client, and twice as many at once; None for no limit."""
    connections: int = 1000
    """Open at once."""

    @property
    def dropped(self) -> int:
        """Bytes of a refused body that are read, so that its client hears why; beyond them its connection is closed."""
        return 10 * self.upload
