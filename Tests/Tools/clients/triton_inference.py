"""Inference by tritonclient: every type in every form, wishes about outputs, shared memory, errors."""

import threading

import ml_dtypes
import numpy as np
import tritonclient.utils.shared_memory as shm
from tritonclient.utils import np_to_triton_dtype, triton_to_np_dtype

# Values that are easily damaged, by type of the protocol.
VALUES = {
    "BOOL": [True, False],
    "UINT8": [0, 255],
    "UINT16": [0, 65535],
    "UINT32": [0, 4294967295],
    "UINT64": [0, 9007199254740993, 18446744073709551615],
    "INT8": [-128, 127],
    "INT16": [-32768, 32767],
    "INT32": [-2147483648, 2147483647],
    "INT64": [-9223372036854775808, 9007199254740993, 9223372036854775807],
    "FP16": [65504, -0.0, 6e-8, np.inf, -np.inf, np.nan],
    "FP32": [3.4028235e38, 1e-45, 0.1, -0.0, np.inf, -np.inf, np.nan],
    "FP64": [1.7976931348623157e308, 5e-324, 0.1, -0.0, np.inf, -np.inf, np.nan],
    "BF16": [1.5, -0.0, 3e38, np.inf, -np.inf, np.nan],
    "BYTES": ["", "ä€𝄞", "a\u0000b", 'quote " backslash \\ end\n'],
}


def numpy_type(datatype):
    return ml_dtypes.bfloat16 if datatype == "BF16" else triton_to_np_dtype(datatype)


def texts(array):
    return [v.decode() if isinstance(v, bytes) else v for v in array.reshape(-1).tolist()]


def same(found, expected):
    """Equal to the last bit, NaN included; strings as texts."""
    if expected.dtype == object:
        return found.shape == expected.shape and texts(found) == texts(expected)
    return (
        found.dtype == expected.dtype
        and found.shape == expected.shape
        and found.tobytes() == expected.tobytes()
    )


def forms(session, datatype):
    """Whether input and output are binary, in each combination that the type has."""
    if session.is_grpc or datatype in ("FP16", "BF16"):
        return [(True, True)]
    return [(i, o) for i in (True, False) for o in (True, False)]


def check_every_type_in_every_form(session):
    for datatype, values in VALUES.items():
        array = np.array([values, values[::-1]], dtype=numpy_type(datatype))
        for binary_in, binary_out in forms(session, datatype):
            result = session.call(
                "infer",
                f"echo-{datatype.lower()}",
                [session.input("x", array, datatype, binary_in)],
                outputs=[session.output("y", binary_out)],
            )
            found = result.as_numpy("y")
            assert same(found, array), f"{datatype} {binary_in} {binary_out}: {found}"


def check_strings_that_are_no_text(session):
    array = np.array([[b"\xff\xfe", b"\x00", b""]], dtype=object)
    inputs = [session.input("x", array, "BYTES")]
    result = session.call("infer", "echo-bytes", inputs, outputs=[session.output("y")])
    assert result.as_numpy("y").reshape(-1).tolist() == array.reshape(-1).tolist()


def check_empty_tensors_and_batches(session):
    for datatype in ("FP32", "INT64", "BOOL", "BYTES"):
        for shape in ((1, 0), (3, 0)):
            array = np.empty(shape, dtype=numpy_type(datatype))
            for binary_in, binary_out in forms(session, datatype):
                result = session.call(
                    "infer",
                    f"echo-{datatype.lower()}",
                    [session.input("x", array, datatype, binary_in)],
                    outputs=[session.output("y", binary_out)],
                )
                assert result.as_numpy("y").shape == shape, (datatype, shape)


def check_scalars(session):
    array = np.array(2.5, dtype=np.float32)
    for binary in (True, False):
        tensor = session.input("x", array, "FP32", binary)
        result = session.call(
            "infer", "scalar", [tensor], outputs=[session.output("y", binary)]
        )
        assert result.as_numpy("y").shape == () and result.as_numpy("y") == 5, binary


def check_golden_cases_of_the_sample_models(session):
    for name in ("iris", "wine-cultivar-gbm"):
        case = session.golden[name]
        for binary in (True, False):
            inputs = []
            for tensor in case["inputs"]:
                array = np.array(tensor["data"], numpy_type(tensor["datatype"]))
                array = array.reshape(tensor["shape"])
                inputs.append(session.input(tensor["name"], array, tensor["datatype"], binary))
            outputs = [session.output(tensor["name"], binary) for tensor in case["outputs"]]
            result = session.call("infer", name, inputs, outputs=outputs)
            for tensor in case["outputs"]:
                found = result.as_numpy(tensor["name"])
                assert list(found.shape) == tensor["shape"], (name, found.shape)
                if tensor["datatype"] == "BYTES":
                    assert texts(found) == tensor["data"], (name, found)
                else:
                    flat = found.reshape(-1)
                    np.testing.assert_allclose(flat, tensor["data"], rtol=1e-3, atol=1e-5)


def sums_inputs(session, rows=1, binary=True):
    a = np.arange(4 * rows, dtype=np.float32).reshape(rows, 4)
    inputs = [session.input(name, array, "FP32", binary) for name, array in
              (("a", a), ("b", np.ones_like(a)))]  # fmt: skip
    return inputs, a + 1, a - 1


def check_a_thousand_rows(session):
    for binary in (True, False):
        inputs, total, _ = sums_inputs(session, rows=1000, binary=binary)
        result = session.call("infer", "sums", inputs)
        assert same(result.as_numpy("sum"), total), binary


def output_names(session, result):
    response = result.get_response()
    if session.is_grpc:
        return [output.name for output in response.outputs]
    return [output["name"] for output in response["outputs"]]


def check_outputs_by_name_and_in_order(session):
    inputs, total, difference = sums_inputs(session)
    for wanted in (["sum"], ["difference"], ["difference", "sum"], ["sum", "difference"]):
        for binary in (True, False):
            result = session.call(
                "infer", "sums", inputs,
                outputs=[session.output(name, binary) for name in wanted],
            )  # fmt: skip
            assert output_names(session, result) == wanted
            if "sum" in wanted:
                assert same(result.as_numpy("sum"), total)
                assert result.get_output("sum") is not None
            if "difference" in wanted:
                assert same(result.as_numpy("difference"), difference)
    result = session.call("infer", "sums", inputs)
    assert output_names(session, result) == ["sum", "difference"]
    assert result.as_numpy("nothing") is None and result.get_output("nothing") is None
    unknown = [session.output("nothing")]
    text = session.refused(400, "INVALID_ARGUMENT", "infer", "sums", inputs, outputs=unknown)
    assert "nothing" in text, text


def check_identity_and_parameters(session):
    inputs, total, _ = sums_inputs(session, rows=2)
    result = session.call(
        "infer",
        "sums",
        inputs,
        model_version="1",
        request_id="Grüße 1",
        sequence_id=0,
        priority=1,
        timeout=60_000_000,
        parameters={"text": "a", "number": -5, "flag": True},
    )
    assert same(result.as_numpy("sum"), total)
    response = result.get_response(as_json=True) if session.is_grpc else result.get_response()
    assert response["id"] == "Grüße 1", response
    assert (response["model_name"], response["model_version"]) == ("sums", "1"), response
    session.refused(404, "NOT_FOUND", "infer", "sums", inputs, model_version="3")


def check_classification(session):
    inputs, _, _ = sums_inputs(session)
    for binary in (True, False):
        wanted = [session.output("sum", binary, class_count=2)]
        result = session.call("infer", "sums", inputs, outputs=wanted)
        found = texts(result.as_numpy("sum"))
        assert found == ["4.000000:3:west", "3.000000:2:south"], found


def check_compression(session):
    inputs, total, _ = sums_inputs(session, rows=8)
    for request in (None, "gzip", "deflate"):
        if session.is_grpc:
            options = [{"compression_algorithm": request}]
        else:
            options = [
                {"request_compression_algorithm": request, "response_compression_algorithm": answer}
                for answer in (None, "gzip", "deflate")
            ]
        for option in options:
            result = session.call("infer", "sums", inputs, **option)
            assert same(result.as_numpy("sum"), total), option


def check_mistakes_are_refused_with_a_text(session):
    array = np.zeros((1, 4), np.float32)
    wrong = {
        "name": session.input("z", array, "FP32"),
        "type": session.input("b", array.astype(np.int32), "INT32"),
        "rank": session.input("b", array.reshape(1, 2, 2), "FP32"),
        "rows": session.input("b", np.zeros((2, 4), np.float32), "FP32"),
        "dimension": session.input("b", np.zeros((1, 3), np.float32), "FP32"),
    }
    a = session.input("a", array, "FP32")
    for what, tensor in wrong.items():
        text = session.refused(400, "INVALID_ARGUMENT", "infer", "sums", [a, tensor])
        assert len(text) > 20, (what, text)
    session.refused(400, "INVALID_ARGUMENT", "infer", "sums", [a])
    session.refused(404, "NOT_FOUND", "infer", "no-such-model", [a])


def check_large_tensors(session):
    array = np.arange(8 << 20, dtype=np.float32).reshape(1, -1)
    inputs = [session.input("x", array, "FP32")]
    result = session.call("infer", "echo-fp32", inputs, outputs=[session.output("y")])
    assert same(result.as_numpy("y"), array)
    array = np.zeros((1, 17 << 20), np.float32)
    inputs = [session.input("x", array, "FP32")]
    session.refused(413, "RESOURCE_EXHAUSTED", "infer", "echo-fp32", inputs)
    assert session.call("is_server_live")


def check_system_shared_memory(session):
    key, size = f"/apus-{session.kind}", 32
    region = shm.create_shared_memory_region("all", key, 2 * size)
    try:
        session.call("unregister_system_shared_memory")
        session.call("register_system_shared_memory", "in", key, size)
        session.call("register_system_shared_memory", "out", key, size, offset=size)
        session.refused(
            400, "INVALID_ARGUMENT", "register_system_shared_memory", "in", key, size
        )
        status = session.ask("get_system_shared_memory_status")
        regions = status["regions"] if session.is_grpc else {r["name"]: r for r in status}
        assert set(regions) == {"in", "out"}, regions
        assert int(regions["out"]["offset"]) == size, regions
        [one] = (session.ask("get_system_shared_memory_status", "out") if not session.is_grpc
                 else session.ask("get_system_shared_memory_status", "out")["regions"].values())  # fmt: skip
        assert one["key"] == key and int(one["byte_size"]) == size, one
        a = np.array([[1, 2, 3, 4]], np.float32)
        shm.set_shared_memory_region(region, [a])
        inputs = [session.tensors.InferInput(name, [1, 4], "FP32") for name in ("a", "b")]
        inputs[0].set_shared_memory("in", a.nbytes)
        # Shared inputs have no place among those that are sent.
        ones = session.input("b", np.ones_like(a), "FP32")
        wanted = [session.output("difference"), session.output("sum")]
        wanted[1].set_shared_memory("out", a.nbytes, offset=8)
        result = session.call("infer", "sums", [inputs[0], ones], outputs=wanted)
        assert same(result.as_numpy("difference"), a - 1)
        found = shm.get_contents_as_numpy(region, np.float32, [1, 4], offset=size + 8)
        assert same(np.array(found), a + 1), found
        wanted[1].set_shared_memory("out", 8)
        text = session.refused(
            400, "INVALID_ARGUMENT", "infer", "sums", [inputs[0], ones], outputs=wanted
        )
        assert "16" in text and "8" in text, text
        session.call("unregister_system_shared_memory", "in")
        session.refused(404, "NOT_FOUND", "infer", "sums", [inputs[0], ones])
        session.refused(404, "NOT_FOUND", "get_system_shared_memory_status", "in")
        session.call("unregister_system_shared_memory")
        assert not session.ask("get_system_shared_memory_status")
    finally:
        shm.destroy_shared_memory_region(region)


def check_cuda_shared_memory_is_refused(session):
    assert not session.ask("get_cuda_shared_memory_status")
    session.call("unregister_cuda_shared_memory")
    text = session.refused(
        501, "UNIMPLEMENTED", "register_cuda_shared_memory", "r", b"AAAA", 0, 8
    )
    assert "CUDA" in text, text


def check_many_requests_at_once(session):
    """By the asynchronous call of the synchronous clients, and by tasks of the others."""
    inputs, total, _ = sums_inputs(session)
    if session.is_async:
        results = session.loop.run_until_complete(gather(session, inputs, 100))
    elif session.is_grpc:
        results, done = [], threading.Semaphore(0)

        def note(result, error):
            results.append(result if error is None else error)
            done.release()

        for _ in range(100):
            session.call("async_infer", "sums", inputs, note)
        for _ in range(100):
            assert done.acquire(timeout=60), "an answer is missing"
    else:
        pending = [session.call("async_infer", "sums", inputs) for _ in range(100)]
        results = [request.get_result() for request in pending]
    assert len(results) == 100
    for result in results:
        assert same(result.as_numpy("sum"), total)


async def gather(session, inputs, count):
    import asyncio

    calls = (session.client.infer("sums", inputs) for _ in range(count))
    return await asyncio.gather(*calls)


def check_bodies_made_and_read_by_hand(session):
    """The static methods, for those who send the bodies themselves."""
    if session.is_grpc:
        return
    import urllib.request

    inputs, total, _ = sums_inputs(session)
    outputs = [session.output("sum")]
    session.called |= {"generate_request_body", "parse_response_body"}
    client = session.module.InferenceServerClient
    body, length = client.generate_request_body(inputs, outputs=outputs)
    headers = {"Inference-Header-Content-Length": str(length)} if length else {}
    address = f"http://{session.http}/v2/models/sums/infer"
    request = urllib.request.Request(address, body, headers)
    with urllib.request.urlopen(request) as response:
        length = int(response.headers["Inference-Header-Content-Length"])
        result = client.parse_response_body(response.read(), header_length=length)
    assert same(result.as_numpy("sum"), total)
    assert np_to_triton_dtype(total.dtype) == "FP32"


CHECKS = [
    check_every_type_in_every_form,
    check_strings_that_are_no_text,
    check_empty_tensors_and_batches,
    check_scalars,
    check_golden_cases_of_the_sample_models,
    check_a_thousand_rows,
    check_outputs_by_name_and_in_order,
    check_identity_and_parameters,
    check_classification,
    check_compression,
    check_mistakes_are_refused_with_a_text,
    check_large_tensors,
    check_system_shared_memory,
    check_cuda_shared_memory_is_refused,
    check_many_requests_at_once,
    check_bodies_made_and_read_by_hand,
]
