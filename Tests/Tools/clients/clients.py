"""The list of client programs that `make test-clients` runs against a daemon: one row, one file.

A client's file takes the arguments of `checks.arguments`, prints a line for each check and ends with
`checks.run`. It runs in a virtual environment of its own with its requirements and nothing else.
"""

from dataclasses import dataclass, field

TRITON = ["tritonclient[http,grpc]==2.73.0", "numpy==2.4.6", "ml_dtypes==0.5.4"]

TENSORFLOW = ["grpcio==1.85.3", "grpcio-tools==1.85.1"]


@dataclass(frozen=True)
class Client:
    """One row of the table."""

    name: str
    # The file in this directory, and its arguments beside the common ones.
    script: str
    # The name of the virtual environment; clients with the same one share it.
    environment: str
    requirements: list
    # The package whose version is shown.
    package: str
    arguments: list = field(default_factory=list)
    # Options of `apus serve` beside ports and repository.
    options: list = field(default_factory=list)
    # Whether it belongs to the part that `make test` runs.
    is_quick: bool = False
    # Whether a machine that cannot install or run it may leave it out.
    may_be_absent: bool = False


SHARING = ["--allow-model-upload", "--allow-shared-memory", "--trace-file", "{scratch}/trace.json"]

CLIENTS = [
    *(
        Client(
            name=f"tritonclient.{kind}",
            script="triton.py",
            arguments=["--kind", kind],
            environment="tritonclient",
            requirements=TRITON,
            package="tritonclient",
            options=SHARING,
            is_quick=True,
        )
        for kind in ("http", "grpc", "http.aio", "grpc.aio")
    ),
    Client(
        name="grpc reflection and health",
        script="grpc_tools.py",
        environment="grpc",
        requirements=["grpcio-reflection==1.81.1", "grpcio-health-checking==1.81.1"],
        package="grpcio-reflection",
        is_quick=True,
    ),
    Client(
        name="limits",
        script="limits.py",
        environment="plain",
        requirements=[],
        package="pip",
    ),
    Client(
        name="perf_analyzer",
        script="perf_analyzer.py",
        environment="perf_analyzer",
        # The last wheel with the program in it.
        requirements=["tritonclient==2.40.0", "nvidia-cuda-runtime-cu12==12.9.79"],
        package="tritonclient",
        options=SHARING,
        may_be_absent=True,
    ),
    Client(
        name="kserve",
        script="kserve_client.py",
        environment="kserve",
        requirements=["kserve==0.21.0"],
        package="kserve",
    ),
    Client(
        name="mlflow",
        script="mlflow_client.py",
        environment="mlflow",
        requirements=["mlflow-skinny==3.17.2", "pandas==3.1.1", "scipy==1.17.1"],
        package="mlflow-skinny",
        options=["--default-model", "iris"],
    ),
    Client(
        name="sagemaker-runtime",
        script="sagemaker_client.py",
        environment="sagemaker",
        requirements=["boto3==1.44.8", "numpy==2.4.6"],
        package="boto3",
    ),
    Client(
        name="vertex ai",
        script="vertex_client.py",
        environment="vertex",
        requirements=["google-cloud-aiplatform==2.7.0", "numpy==2.4.6"],
        package="google-cloud-aiplatform",
        options=["--default-model", "iris"],
    ),
    Client(
        name="tensorflow serving",
        script="tensorflow_serving.py",
        environment="tensorflow",
        requirements=TENSORFLOW,
        package="grpcio",
        options=["--allow-model-upload", "--dialects", "tensorflow", "--dialects", "kserve"],
        is_quick=True,
    ),
    Client(
        name="torchserve (curl)",
        script="torchserve.py",
        environment="tensorflow",
        requirements=TENSORFLOW,
        package="grpcio",
        options=["--dialects", "torchserve"],
        is_quick=True,
    ),
    Client(
        name="schemathesis",
        script="schemathesis_client.py",
        environment="schemathesis",
        requirements=["schemathesis==4.32.5"],
        package="schemathesis",
        options=SHARING,
    ),
]
