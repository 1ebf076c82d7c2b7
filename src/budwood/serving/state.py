"""What all requests of a server share."""

from dataclasses import dataclass, field

from budwood.serving.engine import Engine
from budwood.serving.limits import Limits
from budwood.serving.metrics import Metrics
from budwood.serving.models import Models
from budwood.serving.safety import Access


@dataclass
class Server:
    """The models, their threads, and what is allowed."""

    models: Models
    limits: Limits = field(default_factory=Limits)
    access: Access = field(default_factory=Access)
    show_training_photos: bool = False
    stopping: bool = False
    """Whether the process was told to end; what was accepted is answered still."""
    ending: bool = False
    """Whether no connection is taken any more, and each is ended after its answer."""
    engine: Engine = field(init=False)
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.engine = Engine(self.limits)
