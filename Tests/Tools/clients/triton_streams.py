"""Streams, deadlines and cancellation by tritonclient over gRPC; other kinds have none of them."""

import queue
import time

import grpc
import numpy as np
from triton_inference import same, sums_inputs

# Minutes of work, so that nobody takes its end for a cancellation.
ENDLESS = np.array([100_000_000], np.int64)


class Stream:
    """A stream of requests, whichever of the two ways the client has."""

    def __init__(self, session, **options):
        self.session = session
        self.options = options
        self.answers = queue.Queue()

    def send(self, requests):
        """(result, error) for each answer to these requests."""
        return self.send_async(requests) if self.session.is_async else self.send_sync(requests)

    def send_sync(self, requests):
        session = self.session
        session.call("start_stream", lambda result, error: self.answers.put((result, error)),
                     **self.options)  # fmt: skip
        try:
            for request in requests:
                session.call("async_stream_infer", **request)
            return [self.answers.get(timeout=60) for _ in requests]
        finally:
            session.call("stop_stream")

    def send_async(self, requests):
        async def run():
            async def each():
                for request in requests:
                    yield request

            self.session.called.add("stream_infer")
            stream = self.session.client.stream_infer(each(), **self.options)
            return [answer async for answer in stream]

        return self.session.loop.run_until_complete(run())


def check_a_stream_answers_in_order(session):
    if not session.is_grpc:
        return
    for options in ({}, {"compression_algorithm": "gzip"}):
        inputs, total, _ = sums_inputs(session)
        requests = [
            {"model_name": "sums", "inputs": inputs, "request_id": str(number)}
            for number in range(200)
        ]
        answers = Stream(session, **options).send(requests)
        assert len(answers) == 200
        for number, (result, error) in enumerate(answers):
            assert error is None, error
            response = result.get_response()
            assert response.id == str(number), response.id
            assert response.parameters["triton_final_response"].bool_param, response
            assert same(result.as_numpy("sum"), total)


def check_errors_leave_the_stream_open(session):
    if not session.is_grpc:
        return
    inputs, total, _ = sums_inputs(session)
    requests = [
        {"model_name": "sums", "inputs": inputs, "request_id": "1"},
        {"model_name": "no-such-model", "inputs": inputs, "request_id": "2"},
        {"model_name": "sums", "inputs": inputs[:1], "request_id": "3"},
        {"model_name": "sums", "inputs": inputs, "request_id": "4",
         "enable_empty_final_response": True},
    ]  # fmt: skip
    answers = Stream(session).send(requests)
    assert [error is None for _, error in answers] == [True, False, False, True], answers
    assert "no-such-model" in str(answers[1][1]), answers[1]
    assert same(answers[3][0].as_numpy("sum"), total)


def check_a_stream_ends_at_its_first_error_if_asked_to(session):
    if not session.is_grpc:
        return
    inputs, _, _ = sums_inputs(session)
    requests = [{"model_name": "no-such-model", "inputs": inputs}]
    stream = Stream(session, headers={"triton_grpc_error": "true"})
    try:
        [(_, error)] = stream.send(requests)
        status = error.status()
    except session.module.InferenceServerException as raised:
        status = raised.status()
    except grpc.RpcError as raised:
        status = str(raised.code())
    assert status == "StatusCode.NOT_FOUND", status


def spin(session, count=ENDLESS):
    return [session.input("count", count, "INT64")]


def is_spin_free(session):
    """Wait until the model has time again."""
    result = session.call("infer", "spin", spin(session, np.array([3], np.int64)))
    assert result.as_numpy("y") == 3, result.as_numpy("y")


def check_a_deadline_ends_the_work(session):
    if not session.is_grpc:
        return
    began = time.monotonic()
    text = None
    try:
        session.call("infer", "spin", spin(session), client_timeout=0.3)
    except session.module.InferenceServerException as error:
        text = str(error)
    assert text and "Deadline" in text.replace("DEADLINE", "Deadline"), text
    is_spin_free(session)
    assert time.monotonic() - began < 50, "the model went on after the deadline"


def check_a_cancelled_call_ends_the_work(session):
    if not session.is_grpc:
        return
    if session.is_async:
        session.loop.run_until_complete(cancelled_task(session))
    else:
        answers = queue.Queue()
        context = session.call(
            "async_infer",
            "spin",
            spin(session),
            lambda result, error: answers.put((result, error)),
        )
        time.sleep(0.2)
        context.cancel()
        result, error = answers.get(timeout=60)
        assert result is None and "CANCELLED" in str(error.status()), error
    is_spin_free(session)


async def cancelled_task(session):
    import asyncio

    task = asyncio.ensure_future(session.client.infer("spin", spin(session)))
    await asyncio.sleep(0.2)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return
    except session.module.InferenceServerException as error:
        assert "CANCELLED" in str(error.status()), error
        return
    raise AssertionError("the call was not cancelled")


def check_a_given_up_stream_ends_the_work(session):
    if not session.is_grpc or session.is_async:
        return
    session.call("start_stream", lambda result, error: None)
    session.call("async_stream_infer", "spin", spin(session))
    time.sleep(0.2)
    session.call("stop_stream", cancel_requests=True)
    is_spin_free(session)


CHECKS = [
    check_a_stream_answers_in_order,
    check_errors_leave_the_stream_open,
    check_a_stream_ends_at_its_first_error_if_asked_to,
    check_a_deadline_ends_the_work,
    check_a_cancelled_call_ends_the_work,
    check_a_given_up_stream_ends_the_work,
]
