"""Checks of Triton's HTTP extensions by the unmodified client: compression, shared memory, settings."""

import numpy as np
import tritonclient.utils.shared_memory as shm
from tritonclient.http import InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype


def refused_with(status, call):
    """Assert that the server refuses a call with this status and a text."""
    try:
        call()
    except InferenceServerException as error:
        assert error.status() == status and error.message(), error
    else:
        raise AssertionError("the server accepted it")


def check_compression(client, golden):
    iris = golden["iris"]
    for request in (None, "gzip", "deflate"):
        for answer in (None, "gzip", "deflate"):
            for binary in (True, False):
                iris.compare(
                    client.infer(
                        "iris",
                        iris.infer_inputs(binary),
                        request_compression_algorithm=request,
                        response_compression_algorithm=answer,
                    )
                )


def check_shared_memory(client, golden):
    iris = golden["iris"]
    (name, value), output = next(iter(iris.inputs.items())), "probabilities"
    expected = iris.outputs[output]
    key = "/apus-client-test"
    size = value.nbytes + expected.nbytes
    region = shm.create_shared_memory_region("all", key, size)
    try:
        client.unregister_system_shared_memory()
        client.register_system_shared_memory("in", key, value.nbytes)
        client.register_system_shared_memory("out", key, expected.nbytes, offset=value.nbytes)
        refused_with("400", lambda: client.register_system_shared_memory("in", key, 1))
        refused_with("400", lambda: client.register_system_shared_memory("big", key, size + 1))
        names = {status["name"] for status in client.get_system_shared_memory_status()}
        assert names == {"in", "out"}, names
        shm.set_shared_memory_region(region, [value])
        tensor = InferInput(name, list(value.shape), np_to_triton_dtype(value.dtype))
        tensor.set_shared_memory("in", value.nbytes)
        wanted = InferRequestedOutput(output)
        wanted.set_shared_memory("out", expected.nbytes)
        result = client.infer("iris", [tensor], outputs=[wanted])
        assert result.get_output(output)["shape"] == list(expected.shape)
        found = shm.get_contents_as_numpy(
            region, expected.dtype, expected.shape, offset=value.nbytes
        )
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
        client.unregister_system_shared_memory("in")
        refused_with("404", lambda: client.infer("iris", [tensor], outputs=[wanted]))
        refused_with("404", lambda: client.get_system_shared_memory_status("in"))
        client.unregister_system_shared_memory()
        assert client.get_system_shared_memory_status() == []
    finally:
        shm.destroy_shared_memory_region(region)


def check_cuda_shared_memory(client, golden):
    assert client.get_cuda_shared_memory_status() == []
    client.unregister_cuda_shared_memory()
    refused_with("501", lambda: client.register_cuda_shared_memory("r", b"AAAA", 0, 8))


def check_log_settings(client, golden):
    before = client.get_log_settings()
    changed = client.update_log_settings({"log_verbose_level": 1})
    assert changed["log_verbose_level"] == 1, changed
    assert client.update_log_settings({"log_verbose_level": 0}) == before
    refused_with("501", lambda: client.update_log_settings({"log_file": "/tmp/log"}))


def check_trace_settings(client, golden):
    before = client.get_trace_settings()
    assert before["trace_level"] == ["OFF"] and before["trace_mode"] == "triton", before
    own = client.update_trace_settings("iris", {"trace_level": ["TIMESTAMPS"], "trace_rate": "1"})
    assert own["trace_level"] == ["TIMESTAMPS"] and own["trace_rate"] == "1", own
    assert client.get_trace_settings() == before
    golden["iris"].compare(client.infer("iris", golden["iris"].infer_inputs(True)))
    client.update_trace_settings("iris", {"trace_level": None, "trace_rate": None})
    assert client.get_trace_settings("iris") == before


CHECKS = (
    check_compression,
    check_shared_memory,
    check_cuda_shared_memory,
    check_log_settings,
    check_trace_settings,
)
