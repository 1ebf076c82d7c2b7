"""The lesson in PyTorch: the same network with Keras's weights, channels last, in f32 or bf16, eager or compiled.

python -m benchmarks.cpu.torch_side TREE --weights FILE --json result.json --bf16 --compile
"""

import time

STARTED = time.perf_counter()

import re

import h5py
import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from benchmarks.cpu import lesson
from benchmarks.cpu.lesson import BATCH, Photos, Result

BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, repetitions and first stride: table 2 of Sandler et al. 2018."""
FIRST_TRAINED_BLOCK = 12
WORKERS = 2
"""Processes that decode photos."""


def normalized(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class Padded(nn.Conv2d):
    """A convolution with TensorFlow's padding: with a stride of 2 the odd row and column are below and right."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.stride[0] == 2:
            x = functional.pad(x, (0, 1, 0, 1))
        return super().forward(x)


def padded(inputs: int, outputs: int, stride: int, groups: int = 1) -> Padded:
    return Padded(inputs, outputs, 3, stride, padding=0 if stride == 2 else 1, groups=groups, bias=False)


class Block(nn.Module):
    """An inverted residual block."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [nn.Conv2d(inputs, inner, 1, bias=False), normalized(inner), nn.ReLU6(inplace=True)]
        layers += [padded(inner, inner, stride, inner), normalized(inner), nn.ReLU6(inplace=True)]
        layers += [nn.Conv2d(inner, outputs, 1, bias=False), normalized(outputs)]
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class Network(nn.Module):
    """MobileNetV2 in two parts, below and above where fine-tuning begins, and a new head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        blocks, channels = [], 32
        for expansion, outputs, repetitions, stride in BLOCKS:
            for number in range(repetitions):
                blocks.append(Block(channels, outputs, stride if number == 0 else 1, expansion))
                channels = outputs
        stem = nn.Sequential(padded(3, 32, 2), normalized(32), nn.ReLU6(inplace=True))
        top = nn.Sequential(nn.Conv2d(320, 1280, 1, bias=False), normalized(1280), nn.ReLU6(inplace=True))
        self.lower = nn.Sequential(stem, *blocks[:FIRST_TRAINED_BLOCK])
        self.upper = nn.Sequential(*blocks[FIRST_TRAINED_BLOCK:], top)
        self.head = nn.Sequential(nn.Dropout(lesson.DROPOUT), nn.Linear(1280, classes))

    def load(self, path: str) -> None:
        """Reads Keras's file; its layers of each kind are numbered in the order of the network."""
        with h5py.File(path) as file:
            layers = file["layers"]

            def arrays(kind: str, number: int) -> list[torch.Tensor]:
                variables = layers[f"{kind}_{number}" if number else kind]["vars"]
                return [torch.from_numpy(np.asarray(variables[str(key)])) for key in range(len(variables))]

            numbers = {"conv2d": 0, "depthwise_conv2d": 0, "batch_normalization": 0}
            for module in [*self.lower.modules(), *self.upper.modules()]:
                if isinstance(module, nn.BatchNorm2d):
                    kind = "batch_normalization"
                    own = [module.weight, module.bias, module.running_mean, module.running_var]
                elif isinstance(module, nn.Conv2d):
                    kind, own = "depthwise_conv2d" if module.groups > 1 else "conv2d", [module.weight]
                else:
                    continue
                for into, array in zip(own, arrays(kind, numbers[kind]), strict=True):
                    if array.ndim == 4:
                        array = (
                            array.permute(2, 3, 0, 1)
                            if kind == "depthwise_conv2d"
                            else array.permute(3, 2, 0, 1)
                        )
                    into.data.copy_(array)
                numbers[kind] += 1
            held = {
                kind: sum(bool(re.fullmatch(rf"{kind}(_\d+)?", name)) for name in layers) for kind in numbers
            }
            assert numbers == held, f"the network has {numbers}, the file {held}"


class Decoded(Dataset):
    """Photos, decoded when they are needed: three planes of 0 to 255."""

    def __init__(self, photos: Photos) -> None:
        self.photos = photos

    def __len__(self) -> int:
        return len(self.photos.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        array = lesson.pixels(self.photos.paths[index])
        return torch.from_numpy(array).permute(2, 0, 1), int(self.photos.labels[index])


def loader(photos: Photos, *, shuffle: bool = False) -> DataLoader:
    return DataLoader(Decoded(photos), BATCH, shuffle=shuffle, num_workers=WORKERS)


def scaled(x: torch.Tensor) -> torch.Tensor:
    return (x / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def augmented(x: torch.Tensor) -> torch.Tensor:
    """Mirrored by chance and turned, each picture by itself."""
    angle = (torch.rand(len(x)) * 2 - 1) * lesson.ROTATION * 2 * torch.pi
    mirror = torch.where(torch.rand(len(x)) < 0.5, -1.0, 1.0)
    zero = torch.zeros_like(angle)
    turn = torch.stack(
        [
            torch.stack([mirror * torch.cos(angle), -torch.sin(angle), zero], 1),
            torch.stack([mirror * torch.sin(angle), torch.cos(angle), zero], 1),
        ],
        1,
    )
    grid = functional.affine_grid(turn, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def main() -> None:
    parser = lesson.arguments()
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    result = Result(seconds={"import": time.perf_counter() - STARTED})
    torch.manual_seed(arguments.seed)
    train, validation, test = lesson.split_photos(arguments)
    result.trained_on = len(train.paths)
    with result.timed("build"):
        network = Network(int(train.labels.max()) + 1)
        network.load(str(arguments.weights))
        network = network.to(memory_format=torch.channels_last)
        for parameter in [*network.lower.parameters(), *network.upper.parameters()]:
            parameter.requires_grad_(False)
        # BatchNorm stays as it is in both phases.
        network.lower.eval()
        network.upper.eval()
        parts = (network.lower, network.upper)
        lower, upper = [torch.compile(part) for part in parts] if arguments.compile else parts

    def forward(x: torch.Tensor, *, tuned: bool) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.bf16):
            with torch.no_grad():
                x = lower(x)
            with torch.set_grad_enabled(tuned and torch.is_grad_enabled()):
                return upper(x).mean((2, 3)).float()

    @torch.no_grad()
    def features(photos: Photos) -> np.ndarray:
        return np.concatenate([forward(scaled(x), tuned=False).numpy() for x, _ in loader(photos)])

    @torch.no_grad()
    def right(photos: Photos) -> np.ndarray:
        network.head.eval()
        found = [
            network.head(forward(scaled(x), tuned=False)).argmax(1) == labels for x, labels in loader(photos)
        ]
        return torch.cat(found).numpy()

    def fit(epochs: int, rate: float, seconds: list[float], *, tuned: bool) -> None:
        optimizer = torch.optim.Adam(
            [one for one in network.parameters() if one.requires_grad], rate, eps=1e-7
        )
        for epoch in range(epochs):
            network.head.train()
            started = time.perf_counter()
            for x, labels in loader(train, shuffle=True):
                loss = functional.cross_entropy(
                    network.head(forward(scaled(augmented(x)), tuned=tuned)), labels
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            seconds.append(time.perf_counter() - started)
            print(
                f"epoch {epoch + 1}: {seconds[-1]:.1f} s, validation {right(validation).mean():.1%}",
                flush=True,
            )

    if not arguments.no_features:
        # What is compiled is compiled before the clock starts.
        features(lesson.photos_of(arguments.tree, "train", BATCH))
        lesson.fit_head(result, features, train, None if arguments.limit else test)
    with result.timed("head"):
        fit(arguments.epochs, lesson.HEAD_RATE, result.epochs["head"], tuned=False)
    with result.timed("tune"):
        for module in network.upper.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.requires_grad_(True)
        fit(arguments.finetune, lesson.TUNE_RATE, result.epochs["tune"], tuned=True)
    if not arguments.limit:
        with result.timed("test"):
            hits = right(test)
        result.correct = {name: int(hit) for name, hit in zip(test.names, hits, strict=True)}
    result.write(arguments.json)


if __name__ == "__main__":
    main()
