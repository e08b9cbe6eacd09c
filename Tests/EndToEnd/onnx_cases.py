#!/usr/bin/env python3
"""Run the official ONNX backend cases through `apus check --list`.

Each case must pass, but for those in Tests/Golden/onnx-node/expected-failures.txt, one per line with
its reason; a listed case that passes fails the run too, so that the list cannot rot. `--update`
rewrites the list.

    .build/venv/bin/python Tests/EndToEnd/onnx_cases.py --apus .build/debug/apus
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = ROOT / "Tests" / "Golden" / "onnx-node" / "expected-failures.txt"
REQUIREMENTS = ROOT / "Tests" / "Tools" / "requirements-test.txt"
DUMPER = ROOT / "Tests" / "Tools" / "dump_onnx_cases.py"
# Their outputs are drawn at random: whether they equal the recorded ones is chance.
RANDOM = "node/test_bernoulli"
HEADER = """\
# Official ONNX backend cases that do not pass yet, with what apus check says about them.
# Written by Tests/EndToEnd/onnx_cases.py --update; the difference is for review.
"""


def dump(cases):
    """The list of case directories; made anew when the requirements or the dumper changed."""
    stamp = cases / "made-from.txt"
    made_from = REQUIREMENTS.read_text() + DUMPER.read_text()
    if not stamp.exists() or stamp.read_text() != made_from:
        subprocess.run([sys.executable, DUMPER, cases], check=True)
        stamp.write_text(made_from)
    return cases / "list.txt"


def key_of(directory):
    """`node/test_abs`: what names a case independently of where it lies."""
    return "/".join(Path(directory).parts[-2:])


def run(apus, listing):
    """`(outcome, case, reason)` of each line that apus prints."""
    process = subprocess.run(
        [apus, "check", "--list", listing], stdout=subprocess.PIPE, text=True, check=False
    )
    results = []
    for line in process.stdout.splitlines():
        outcome, directory, *reason = line.split(" ", 2)
        results.append((outcome, key_of(directory), " ".join(reason)))
    wanted = len(listing.read_text().splitlines())
    if len(results) != wanted:
        sys.exit(f"apus check printed {len(results)} of {wanted} lines and ended with "
                 f"{process.returncode}")  # fmt: skip
    return results


def read_expected():
    """Case → reason."""
    if not EXPECTED.exists():
        return {}
    lines = [line for line in EXPECTED.read_text().splitlines() if line and line[0] != "#"]
    return dict(line.split(" ", 1) for line in lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--apus", type=Path, default=Path(".build/debug/apus"))
    parser.add_argument("--cases", type=Path, default=Path(".build/onnx-cases"))
    parser.add_argument("--update", action="store_true", help="rewrite the expected failures")
    arguments = parser.parse_args()

    listing = dump(arguments.cases)
    began = time.monotonic()
    results = run(arguments.apus, listing)
    failed = {case: f"{outcome} {reason}" for outcome, case, reason in results if outcome != "PASS"}
    passed = len(results) - len(failed)
    print(f"ONNX backend cases: {passed} of {len(results)} pass "
          f"({time.monotonic() - began:.1f} s)")  # fmt: skip
    if arguments.update:
        lines = [f"{case} {reason}\n" for case, reason in sorted(failed.items())]
        EXPECTED.write_text(HEADER + "".join(lines))
        return
    expected = read_expected()
    problems = [f"{case}: {why}" for case, why in failed.items()
                if case not in expected and not case.startswith(RANDOM)]
    known = {case for _, case, _ in results}
    problems += [
        f"{case} passes now: take it off {EXPECTED.name}"
        for case in expected
        if case in known and case not in failed and not case.startswith(RANDOM)
    ]
    for problem in problems:
        print(f"FAIL {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
