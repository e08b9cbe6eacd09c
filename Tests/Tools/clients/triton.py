"""Call every public method of one of tritonclient's four client classes and assert what comes back.

The four differ in transport and in being asynchronous, not in what a call means: the checks are
written once against `Session`, which waits for what is asynchronous and remembers what was called.
"""

import asyncio
import importlib
import inspect

import checks
import triton_inference
import triton_models
import triton_streams


class Session:
    """A client of one of the four kinds, called as if it were synchronous."""

    def __init__(self, arguments):
        self.kind = arguments.kind
        self.is_grpc = self.kind.startswith("grpc")
        self.is_async = self.kind.endswith("aio")
        self.http = arguments.http
        self.models = arguments.models
        self.golden = checks.golden(arguments.golden)
        self.module = importlib.import_module(f"tritonclient.{self.kind}")
        # The asynchronous modules have no tensors of their own.
        self.tensors = importlib.import_module(f"tritonclient.{self.kind.split('.')[0]}")
        self.address = arguments.grpc if self.is_grpc else arguments.http
        self.called = set()
        self.loop = asyncio.new_event_loop()
        self.client = self.wait(self.make_client)

    def make_client(self, **options):
        return self.module.InferenceServerClient(self.address, **options)

    def wait(self, function, *arguments, **options):
        """The result of a function, awaited if it can be."""

        async def run():
            result = function(*arguments, **options)
            return await result if inspect.isawaitable(result) else result

        return self.loop.run_until_complete(run()) if self.is_async else function(
            *arguments, **options
        )

    def call(self, method, *arguments, **options):
        self.called.add(method)
        return self.wait(getattr(self.client, method), *arguments, **options)

    def ask(self, method, *arguments, **options):
        """A call whose answer is JSON, or a message that is shown as such."""
        if self.is_grpc:
            options["as_json"] = True
        return self.call(method, *arguments, **options)

    def refused(self, http, grpc, method, *arguments, **options):
        """The text of the error that a call must get: a status of HTTP or a code of gRPC."""
        expected = f"StatusCode.{grpc}" if self.is_grpc else str(http)
        try:
            self.call(method, *arguments, **options)
        except self.module.InferenceServerException as error:
            assert error.status() == expected, f"{error.status()}, expected {expected}: {error}"
            assert error.message() and "while decoding" not in error.message(), error
            return error.message()
        raise AssertionError("the server accepted it")

    def input(self, name, array, datatype, binary=True):
        tensor = self.tensors.InferInput(name, list(array.shape), datatype)
        if self.is_grpc:
            tensor.set_data_from_numpy(array)
        else:
            tensor.set_data_from_numpy(array, binary_data=binary)
        return tensor

    def output(self, name, binary=True, **options):
        if not self.is_grpc:
            options["binary_data"] = binary
        return self.tensors.InferRequestedOutput(name, **options)


def check_no_public_method_was_forgotten(session):
    members = inspect.getmembers(session.module.InferenceServerClient, callable)
    public = {name for name, _ in members if not name.startswith("_")}
    session.call("close")
    assert public == session.called, f"not called: {sorted(public - session.called)}"


def main():
    arguments = checks.arguments(
        __doc__, kind={"choices": ["http", "grpc", "http.aio", "grpc.aio"], "required": True}
    )
    checks.run(
        [
            *triton_models.CHECKS,
            *triton_inference.CHECKS,
            *triton_streams.CHECKS,
            check_no_public_method_was_forgotten,
        ],
        Session(arguments),
    )


if __name__ == "__main__":
    main()
