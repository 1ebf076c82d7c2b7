"""A generator of load over HTTP/1.1: bare sockets in one event loop, about a tenth of a millisecond a request.

It shares the cores with the server that it asks: `Load.seconds_of_cpu` is what it took, to be told beside a rate.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Load:
    """What came back."""

    seconds: float = 0.0
    seconds_of_cpu: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    """Seconds of the answers with status 200, from when each was due."""
    lost: int = 0
    """Requests that were sent and not answered."""
    without_retry_after: int = 0
    """Answers with 503 that do not say when to come again."""

    @property
    def rate(self) -> float:
        """Answers with status 200 a second."""
        return self.statuses[200] / self.seconds

    def percentile(self, percent: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


def request(path: str, body: bytes, port: int) -> bytes:
    """The bytes of a request."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def closed_loop(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Sends on each connection the next request when the last is answered."""
    return asyncio.run(_closed(port, requests, connections, seconds))


def open_loop(
    port: int, requests: Sequence[bytes], rate: float, seconds: float, connections: int = 256
) -> Load:
    """Sends requests at random times, so many a second on average, whether the last are answered or not."""
    return asyncio.run(_open(port, requests, rate, seconds, connections))


async def _closed(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    load, began, cpu = Load(), time.perf_counter(), time.process_time()
    ends = began + seconds

    async def ask(first: int) -> None:
        number, pair = first, None
        while (due := time.perf_counter()) < ends:
            try:
                pair = pair or await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return
            if not await _one(load, pair, requests[number % len(requests)], due):
                pair = None
            number += connections
        if pair:
            pair[1].close()

    await asyncio.gather(*(ask(number) for number in range(connections)))
    load.seconds, load.seconds_of_cpu = time.perf_counter() - began, time.process_time() - cpu
    return load


async def _open(port: int, requests: Sequence[bytes], rate: float, seconds: float, connections: int) -> Load:
    load, began, cpu = Load(), time.perf_counter(), time.process_time()
    draw = random.Random(0)
    idle: list = []
    tasks: set[asyncio.Task] = set()
    due, number = began, 0
    room = asyncio.Semaphore(connections)

    async def ask(number: int, due: float) -> None:
        async with room:
            pair = idle.pop() if idle else None
            if pair and pair[0].at_eof():
                # The server ended it meanwhile, as it may.
                pair = None
            try:
                pair = pair or await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                load.lost += 1
                return
            if await _one(load, pair, requests[number % len(requests)], due):
                idle.append(pair)

    while (due := due + draw.expovariate(rate)) < began + seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(ask(number, due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        number += 1
    await asyncio.gather(*tasks)
    load.seconds, load.seconds_of_cpu = time.perf_counter() - began, time.process_time() - cpu
    for _, writer in idle:
        writer.close()
    return load


async def _one(load: Load, pair: tuple, content: bytes, due: float) -> bool:
    """Sends a request and counts its answer; returns whether the connection can be used again."""
    reader, writer = pair
    try:
        writer.write(content)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
        await reader.readexactly(length)
    except (OSError, asyncio.IncompleteReadError):
        load.lost += 1
        writer.close()
        return False
    status = int(head[9:12])
    load.statuses[status] += 1
    if status == 200:
        load.latencies.append(time.perf_counter() - due)
    load.without_retry_after += status == 503 and b"retry-after" not in head
    if b"connection: close" in head:
        writer.close()
        return False
    return True
