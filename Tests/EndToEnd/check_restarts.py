"""Restarts under socket activation beside busy clients: nobody loses a request."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
from tritonclient.grpc import service_pb2

from daemon import DEADLINE_SECONDS, IRIS, wait_for

CLIENTS = 8
INFER = "/inference.GRPCInferenceService/ModelInfer"
# Starts the daemon as the service manager does: with the sockets as descriptors 3 and 4.
LAUNCHER = """
import os, sys
found = [os.dup(int(number)) for number in sys.argv[1].split(",")]
# Above the places where they go.
found = [os.dup2(number, 100 + place) for place, number in enumerate(found)]
for place, number in enumerate(found):
    os.dup2(number, 3 + place)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="http:grpc")
os.execv(sys.argv[2], sys.argv[2:])
"""


class HTTPClient:
    """Keeps its connection for as long as the daemon lets it."""

    def __init__(self, port):
        self.link = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)
        self.body = json.dumps(IRIS)

    def call(self):
        self.link.request("POST", "/v2/models/iris/infer", self.body)
        response = self.link.getresponse()
        body = response.read()
        assert response.status == 200, (response.status, body[:200])
        return body

    def close(self):
        self.link.close()


class GRPCClient:
    def __init__(self, port):
        # A connection for each: channels to one address share theirs otherwise.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        self.stub = self.channel.unary_unary(INFER)
        request = service_pb2.ModelInferRequest(model_name="iris")
        tensor = request.inputs.add(name="measurements", datatype="FP32", shape=[1, 4])
        tensor.contents.fp32_contents.extend(IRIS["inputs"][0]["data"])
        self.message = request.SerializeToString()

    def call(self):
        return self.stub(self.message, timeout=DEADLINE_SECONDS)

    def close(self):
        self.channel.close()


class Busy:
    """A client that asks again as soon as it is answered, and compares every answer with the first."""

    def __init__(self, client):
        self.client = client
        self.answers = 0
        self.failures = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.stopped = threading.Event()
        self.thread.start()

    def _run(self):
        expected = None
        while not self.stopped.wait(0.002):
            began = time.monotonic()
            try:
                answer = self.client.call()
                expected = expected or answer
                assert answer == expected, answer[:200]
                self.answers += 1
            except (OSError, http.client.HTTPException, AssertionError, grpc.RpcError) as error:
                seconds = time.monotonic() - began
                name = type(self.client).__name__
                self.failures.append(f"{name} after {seconds:.1f} s: {error!r}"[:200])
                self.client.close()
                return

    def stop(self):
        self.stopped.set()
        self.thread.join()
        self.client.close()


def listening_socket():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


def check_restarts_lose_no_request(tools):
    listeners = [listening_socket(), listening_socket()]
    descriptors = [listener.fileno() for listener in listeners]
    http_port, grpc_port = (listener.getsockname()[1] for listener in listeners)
    models = tools.sample_models("restarts", ["iris"])
    command = [sys.executable, "-c", LAUNCHER, ",".join(map(str, descriptors)), str(tools.apus)]
    # A slow machine may keep a client from asking for a while.
    command += ["serve", "--shutdown-grace", "20s", "--metrics-port", "0", str(models)]

    log = open(tools.directory("restarts-log") / "log", "wb")

    def start():
        return subprocess.Popen(command, pass_fds=descriptors, stderr=log)

    process = start()
    clients = [Busy(HTTPClient(http_port)) for _ in range(CLIENTS)]
    clients += [Busy(GRPCClient(grpc_port)) for _ in range(CLIENTS)]
    longest = 0
    try:
        for _ in range(tools.restarts):
            wait_for_answers(clients)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            code = process.wait(DEADLINE_SECONDS)
            assert code == 0, f"the daemon ended with {code}"
            longest = max(longest, time.monotonic() - began)
            process = start()
        wait_for_answers(clients)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{Path(log.name).read_text()[-2000:]}") from error
    finally:
        for client in clients:
            client.stop()
        process.kill()
        process.wait()
        log.close()
        for listener in listeners:
            listener.close()
    if tools.restarts > 3:
        answers = sum(client.answers for client in clients)
        print(f"     | {tools.restarts} restarts, {answers} answers, longest stop {longest:.2f} s")


def wait_for_answers(clients, count=10):
    """Until everybody has so many more answers."""
    before = [client.answers for client in clients]

    def have_answers():
        failures = [failure for client in clients for failure in client.failures]
        assert not failures, f"{len(failures)} requests failed: {failures[:3]}"
        return all(client.answers >= start + count for client, start in zip(clients, before))

    wait_for("answers for everybody", have_answers)


CHECKS = [check_restarts_lose_no_request]
