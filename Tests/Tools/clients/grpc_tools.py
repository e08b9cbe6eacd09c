"""Ask gRPC's own services by their own clients: server reflection and health."""

import checks
import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

SERVICES = {
    "inference.GRPCInferenceService",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "tensorflow.serving.ModelService",
    "tensorflow.serving.PredictionService",
}


def check_reflection_lists_the_services(channel):
    assert set(ProtoReflectionDescriptorDatabase(channel).get_services()) == SERVICES


def check_reflection_describes_every_message(channel):
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    service = pool.FindServiceByName("inference.GRPCInferenceService")
    assert len(service.methods) == 20, [method.name for method in service.methods]
    for method in service.methods:
        assert method.input_type.name and method.output_type.name, method.name
    request = pool.FindMessageTypeByName("inference.ModelInferRequest")
    assert request.fields_by_name["raw_input_contents"].number == 7
    config = pool.FindMessageTypeByName("inference.ModelConfig")
    assert config.fields_by_name["dynamic_batching"].number == 11
    assert pool.FindMessageTypeByName("grpc.health.v1.HealthCheckResponse")


def check_a_call_made_from_reflection_alone(channel):
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    method = pool.FindServiceByName("inference.GRPCInferenceService").methods_by_name[
        "ServerMetadata"
    ]
    request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    call = channel.unary_unary(
        "/inference.GRPCInferenceService/ServerMetadata",
        request_serializer=request.SerializeToString,
        response_deserializer=response.FromString,
    )
    assert call(request()).name == "apus"


def check_health(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    for service in ("", "inference.GRPCInferenceService"):
        assert stub.Check(health_pb2.HealthCheckRequest(service=service)).status == serving
    try:
        stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
    else:
        raise AssertionError("an unknown service is healthy")


def check_health_is_watched(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    for service, status in (("", "SERVING"), ("nobody", "SERVICE_UNKNOWN")):
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=60)
        first = next(watch).status
        assert first == health_pb2.HealthCheckResponse.ServingStatus.Value(status), first
        watch.cancel()


def main():
    with grpc.insecure_channel(checks.arguments(__doc__).grpc) as channel:
        checks.run(
            [
                check_reflection_lists_the_services,
                check_reflection_describes_every_message,
                check_a_call_made_from_reflection_alone,
                check_health,
                check_health_is_watched,
            ],
            channel,
        )


if __name__ == "__main__":
    main()
