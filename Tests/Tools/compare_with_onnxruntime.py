#!/usr/bin/env python3
"""Compare Apus with onnxruntime on the models that make_comparison_models.py made.

Runs `apus check --list` over every case directory and compares what Apus computed with the stored
outputs of onnxruntime a second time here, in NumPy. Prints one row per model: Apus' own verdict and
the largest difference as a share of what `case.json` allows (at most 1.00 passes). Exits 1 when a
case does not pass.

    make_comparison_models.py .build/comparison-models
    compare_with_onnxruntime.py .build/comparison-models --apus .build/release/apus
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from onnx import SequenceProto, TensorProto, numpy_helper


def cases_below(roots):
    """Every directory below `roots` that holds a model and a data set."""
    found = []
    for root in roots:
        found += [
            path.parent
            for path in sorted(Path(root).rglob("model.onnx"))
            if (path.parent / "test_data_set_0").is_dir()
        ]
    return [path.resolve() for path in found]


def run_check(apus, cases, outputs):
    """Case directory → (verdict, reason) from one run of `apus check --list`."""
    list_file = outputs / "list.txt"
    list_file.write_text("".join(f"{case}\n" for case in cases))
    command = [apus, "check", "--list", str(list_file), "--outputs", str(outputs)]
    result = subprocess.run(command, capture_output=True, text=True)
    verdicts = {}
    for line in result.stdout.splitlines():
        verdict, _, rest = line.partition(" ")
        if verdict in ("PASS", "FAIL", "ERROR"):
            directory = next(
                (case for case in cases if rest == str(case) or rest.startswith(f"{case} ")), None
            )
            if directory is not None:
                verdicts[directory] = (verdict, rest[len(str(directory)) :].strip())
    if len(verdicts) < len(cases):
        sys.stderr.write(result.stderr[-2000:])
    return verdicts


def arrays_in(path):
    """The arrays of a stored value: one for a tensor, each element's for a sequence or map."""
    data = path.read_bytes()
    tensor = TensorProto()
    try:
        tensor.ParseFromString(data)
        if tensor.data_type:
            return [numpy_helper.to_array(tensor)]
    except Exception:  # not a tensor: read it as a sequence below
        pass
    sequence = SequenceProto.FromString(data)
    tensors = list(sequence.tensor_values)
    for entry in sequence.map_values:
        tensors += entry.values.tensor_values
    return [numpy_helper.to_array(element) for element in tensors]


def share_of_tolerance(found, expected, rtol, atol):
    """The largest |found - expected| / (atol + rtol |expected|).

    Infinite when types, shapes or texts differ.
    """
    if found.shape != expected.shape or found.dtype.kind != expected.dtype.kind:
        return np.inf
    if expected.dtype.kind != "f":
        return 0.0 if np.array_equal(found, expected) else np.inf
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        share = np.where(same, 0.0, np.abs(found - expected) / (atol + rtol * np.abs(expected)))
    return float(np.nan_to_num(share, nan=np.inf).max(initial=0.0))


def largest_share(case, outputs):
    """The largest share over all outputs of a case, or None when Apus wrote none of them."""
    tolerance = json.loads((case / "case.json").read_text())
    shares = []
    for expected_path in sorted(case.glob("test_data_set_*/output_*.pb")):
        found_path = (
            outputs
            / f"{case.parent.name}__{case.name}"
            / expected_path.parent.name
            / expected_path.name
        )
        if not found_path.exists():
            continue
        found, expected = arrays_in(found_path), arrays_in(expected_path)
        pairs = (
            zip(found, expected) if len(found) == len(expected) else [(np.array(0), np.array(""))]
        )
        shares += [share_of_tolerance(*pair, **tolerance) for pair in pairs]
    return max(shares, default=None)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "roots",
        nargs="*",
        type=Path,
        default=[Path(".build/comparison-models"), Path("Tests/Golden/models")],
    )
    parser.add_argument("--apus", default=".build/release/apus", help="the program to test")
    arguments = parser.parse_args()

    cases = cases_below(arguments.roots)
    if not cases:
        sys.exit(f"no cases below {', '.join(map(str, arguments.roots))}")
    passed = 0
    with tempfile.TemporaryDirectory() as directory:
        outputs = Path(directory)
        verdicts = run_check(arguments.apus, cases, outputs)
        width = max(len(case.name) for case in cases)
        print(f"{'model':{width}}  verdict  difference/allowed")
        for case in cases:
            verdict, reason = verdicts.get(case, ("ERROR", "no line from apus check"))
            share = largest_share(case, outputs)
            agrees = share is None or share <= 1.0
            passed += verdict == "PASS" and agrees
            note = "" if agrees else "  the outputs written differ"
            shown = "-" if share is None else f"{share:.4f}"
            print(f"{case.name:{width}}  {verdict:7}  {shown:>18}  {reason}{note}")
    print(f"{passed} of {len(cases)} pass")
    sys.exit(0 if passed == len(cases) else 1)


if __name__ == "__main__":
    main()
