"""How many pictures may wait, and what is said beyond them."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from budwood.serving.engine import Engine
from budwood.serving.errors import RequestError
from budwood.serving.limits import Limits
from tests.serving.running import form, running


def test_engine__counts_work_until_it_is_done():
    engine, go = Engine(Limits(waiting=2)), threading.Event()

    async def ask() -> None:
        first = asyncio.create_task(engine.run(go.wait))
        await asyncio.sleep(0)
        assert engine.under_way == 1
        engine.refuse_when_full()
        with pytest.raises(RequestError, match="as many pictures"):
            engine.refuse_when_full(2)
        # Who gave up does not free the thread.
        first.cancel()
        await asyncio.sleep(0)
        assert engine.under_way == 1
        go.set()
        while engine.under_way:
            await asyncio.sleep(0.01)
        engine.refuse_when_full(5)

    # In a thread of its own: a browser that other tests keep has its loop in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, ask()).result()
    engine.close()


def test_engine__bytes():
    engine = Engine(Limits(memory=10))
    engine.hold(100)
    with pytest.raises(RequestError, match="bytes"):
        engine.hold(1)
    engine.release(100)
    assert engine.held == 0
    engine.close()


def test_engine__more_requests_than_may_wait(tiny_run, red, monkeypatch):
    go = threading.Event()
    with running({"colours": tiny_run}, Limits(waiting=2, seconds=10.0)) as server:
        model = server.server.models.find(None)
        real = model.answer
        monkeypatch.setattr(model, "answer", lambda *given: (go.wait(10), real(*given))[1])
        body, kind = form(*[("a.jpg", red)] * 2)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(server.post, "/v1/predict", body, Content_Type=kind)
            while server.server.engine.under_way < 2:
                pass
            answer = server.post("/v1/predict", red)
            assert (answer.status, answer.kind, answer.headers["retry-after"]) == (503, "busy", "1")
            assert server.get("/healthz").status == 200
            go.set()
            assert first.result().status == 200
        assert server.post("/v1/predict", red).status == 200


def test_engine__an_answer_that_takes_too_long(tiny_run, red, monkeypatch):
    go = threading.Event()
    with running({"colours": tiny_run}, Limits(seconds=0.1)) as server:
        model = server.server.models.find(None)
        monkeypatch.setattr(model, "answer", lambda *given: go.wait(10))
        assert server.post("/v1/predict", red).kind == "took_too_long"
        go.set()


def test_engine__what_goes_wrong_inside_stays_inside(tiny_run, red, monkeypatch, caplog):
    with running({"colours": tiny_run}) as server:
        model = server.server.models.find(None)
        monkeypatch.setattr(model, "answer", lambda *given: 1 / 0)
        answer = server.post("/v1/predict", red)
        assert (answer.status, answer.kind) == (500, "internal")
        assert b"division" not in answer.body
    # It is written once the answer is on its way.
    assert "division by zero" in caplog.text
