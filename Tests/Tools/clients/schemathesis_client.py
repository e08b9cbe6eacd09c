"""Have Schemathesis read /openapi.json and send what it allows, and what it does not, to each route.

No answer may be an error of the server or differ from the document. Left out: the check that what a
schema allows is accepted, since no schema says that a tensor has as many elements as its shape. The
routes that unload come last: what is unloaded answers 503, as it must.
"""

import json
import subprocess
import sys
from pathlib import Path

import checks

REQUESTS_MIN = 2000


def run(arguments, scratch, *options):
    """The report of one run, without a failure."""
    report = scratch / "report.json"
    command = [Path(sys.executable).parent / "st", "run", f"http://{arguments.http}/openapi.json"]
    command += ["--exclude-checks", "positive_data_acceptance", "--continue-on-failure"]
    command += ["--generation-database", "none", "--seed", "1", "--no-color", *options]
    command += ["--report", "json", "--report-json-path", report]
    result = subprocess.run(command, capture_output=True, text=True, cwd=scratch, timeout=500)
    assert report.exists(), result.stdout + result.stderr
    found = json.loads(report.read_text())
    count = found["test_cases"]["generated"]
    print(f"     {count} requests to {found['operations']['tested']} operations")
    assert result.returncode == 0 and not found["failures"], result.stdout
    return count


def check_every_route(arguments, scratch):
    count = run(arguments, scratch, "--exclude-path-regex", "/unload$", "--max-examples", "50")
    assert count >= REQUESTS_MIN, count


def check_unloading(arguments, scratch):
    run(arguments, scratch, "--include-path-regex", "/unload$", "--max-examples", "50")


def main():
    arguments = checks.arguments(__doc__)
    checks.run([check_every_route, check_unloading], arguments, arguments.models.parent)


if __name__ == "__main__":
    main()
