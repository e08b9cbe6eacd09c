"""What the clients' files have in common: arguments, golden cases, and one line for each check."""

import argparse
import json
import sys
import time
import traceback
from pathlib import Path


def arguments(description, **extra):
    """The arguments that `run.py` passes to each client.

    `extra` has more options: name and keyword arguments of `add_argument`.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--http", required=True, help="HOST:PORT of HTTP")
    parser.add_argument("--grpc", required=True, help="HOST:PORT of gRPC")
    parser.add_argument("--metrics", required=True, help="HOST:PORT of the metrics")
    parser.add_argument("--pid", type=int, required=True, help="process id of the daemon")
    parser.add_argument("--models", type=Path, required=True, help="the served repository")
    parser.add_argument("--golden", type=Path, required=True, help="golden cases as JSON")
    for name, options in extra.items():
        parser.add_argument(f"--{name}", **options)
    return parser.parse_args()


def golden(path):
    """Golden cases by model: lists `inputs` and `outputs` of {name, datatype, shape, data}."""
    return json.loads(path.read_text())


def run(checks, *context):
    """Call each check with the context, print a line for it, and end the program."""
    failures = 0
    for check in checks:
        name = check.__name__.removeprefix("check_").replace("_", " ")
        began = time.monotonic()
        try:
            check(*context)
        except Exception as error:
            failures += 1
            print(f"FAIL {name}: {type(error).__name__}: {error}")
            if not isinstance(error, AssertionError):
                traceback.print_exc()
        else:
            print(f"ok   {name} ({time.monotonic() - began:.1f} s)")
        sys.stdout.flush()
    print(f"{len(checks) - failures} of {len(checks)} checks pass")
    sys.exit(1 if failures else 0)
