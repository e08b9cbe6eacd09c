"""When the daemon says that it is ready, over every protocol."""

import shutil

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from daemon import GARBAGE, IRIS, Daemon

ROUTES = ("/readyz", "/v2/health/ready", "/ping", "/health")


def is_ready(daemon):
    """Whether the daemon is ready; every way to ask has to say the same."""
    told = {path: daemon.call("GET", path)[0] == 200 for path in ROUTES}
    told["metrics port"] = daemon.call("GET", "/readyz", endpoint="metrics")[0] == 200
    with grpc.insecure_channel(daemon.address("grpc")) as channel:
        status = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest()).status
        told["grpc"] = status == health_pb2.HealthCheckResponse.SERVING
        # ServerReadyResponse is one Boolean in field 1, left out if it is false.
        ask = channel.unary_unary("/inference.GRPCInferenceService/ServerReady")
        told["inference over grpc"] = ask(b"") == b"\x08\x01"
    assert len(set(told.values())) == 1, told
    return told["/readyz"]


def put_garbage(models, name="garbage"):
    (models / name / "1").mkdir(parents=True)
    (models / name / "1" / "model.onnx").write_bytes(GARBAGE)


def check_a_garbage_model_beside_four_good_ones_changes_no_readiness(tools):
    models = tools.sample_models("readiness")
    with Daemon(tools, models) as daemon:
        assert is_ready(daemon)
        put_garbage(models)
        daemon.wait_for_log("version failed", model="garbage", serving="none")
        assert is_ready(daemon)
        daemon.infer_json("iris", IRIS)
        assert daemon.stop() == 0
    # Every replica of a shared repository starts like this.
    with Daemon(tools, models) as daemon:
        assert daemon.log("version failed", model="garbage", serving="none")
        assert is_ready(daemon)
        daemon.infer_json("iris", IRIS)
    with Daemon(tools, "--strict-readiness", "models", models, wait=False) as daemon:
        missing = daemon.wait_for_log("started, but not ready")["missing"]
        assert 'model "garbage": version 1 failed' in missing, missing
        assert not is_ready(daemon)
        shutil.rmtree(models / "garbage")
        daemon.wait_for_log("the repository is ready")
        assert is_ready(daemon)


def check_a_model_that_was_named_has_to_serve(tools):
    models = tools.sample_models("readiness-named", ["iris"])
    put_garbage(models)
    explicit = ["--model-control-mode", "explicit", "--load-model", "iris", "--load-model"]
    for arguments in ([*explicit, "garbage", models], [*explicit, "absent", models],
                      ["--model-path", models / "garbage"]):  # fmt: skip
        with Daemon(tools, *arguments, wait=False) as daemon:
            daemon.wait_for_log("started, but not ready")
            assert not is_ready(daemon)
        with Daemon(tools, "--strict-readiness=false", *arguments) as daemon:
            assert is_ready(daemon)


def check_an_empty_repository_is_ready_and_says_so_loudly(tools):
    models = tools.directory("readiness-empty")
    with Daemon(tools, models) as daemon:
        line = daemon.wait_for_log("no model found: there is nothing to serve", level="warning")
        assert line["directory"] == str(models.resolve()), line
        assert "model.onnx" in line["put_there"], line
        assert is_ready(daemon)
        put_garbage(models)
        daemon.wait_for_log("the repository is not ready", level="warning")
        assert not is_ready(daemon)
        shutil.rmtree(models / "garbage")
        daemon.wait_for_log("the repository is ready")


CHECKS = [
    check_a_garbage_model_beside_four_good_ones_changes_no_readiness,
    check_a_model_that_was_named_has_to_serve,
    check_an_empty_repository_is_ready_and_says_so_loudly,
]
