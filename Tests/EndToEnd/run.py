#!/usr/bin/env python3
"""Drive a real daemon from outside; every check prints one line.

    .build/venv/bin/python Tests/EndToEnd/run.py --apus .build/debug/apus
    … --only swaps        only the checks with this in their name
    … --only restarts --restarts 50

Needs Tests/Tools/requirements-test.txt, systemd-analyze, and in --tools what .ci/test-tools puts there.
"""

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import check_docs_page  # noqa: E402
import check_files  # noqa: E402
import check_lifecycle  # noqa: E402
import check_metrics  # noqa: E402
import check_readiness  # noqa: E402
import check_restarts  # noqa: E402
import check_serving  # noqa: E402
from daemon import Tools  # noqa: E402


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--apus", type=Path, default=Path(".build/debug/apus"))
    parser.add_argument("--tools", type=Path, default=Path(".build/tools"))
    parser.add_argument("--only", default="", help="part of the names of the checks to run")
    parser.add_argument("--restarts", type=int, default=3, help="of the check of restarts")
    arguments = parser.parse_args()

    checks = check_lifecycle.CHECKS + check_serving.CHECKS + check_metrics.CHECKS
    checks += check_readiness.CHECKS + check_docs_page.CHECKS + check_files.CHECKS
    checks += check_restarts.CHECKS
    failures = ran = 0
    with tempfile.TemporaryDirectory(prefix="apus-end-to-end-") as scratch:
        tools = Tools(arguments.apus, arguments.tools, scratch, arguments.restarts)
        for check in checks:
            name = check.__name__.removeprefix("check_").replace("_", " ")
            if arguments.only not in name:
                continue
            ran += 1
            began = time.monotonic()
            try:
                check(tools)
            except Exception as error:
                failures += 1
                print(f"FAIL {name}: {type(error).__name__}: {error}")
                if not isinstance(error, AssertionError):
                    traceback.print_exc()
            else:
                print(f"ok   {name} ({time.monotonic() - began:.1f} s)")
            sys.stdout.flush()
    print(f"end to end: {ran - failures} of {ran} checks pass")
    sys.exit(1 if failures or not ran else 0)


if __name__ == "__main__":
    main()
