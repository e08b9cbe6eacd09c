#!/usr/bin/env python3
"""Make models of many kinds with the outputs that onnxruntime computes for them.

Each becomes OUT_DIR/<name>/{model.onnx, case.json, test_data_set_*/input_*.pb, output_*.pb}, which
`apus check --list` reads (see compare_with_onnxruntime.py). The small ones are committed:

    make_comparison_models.py --small Tests/Golden/models

rewrites them. Needs requirements-models.txt and, for the text models, the locale en_US.UTF-8.
"""

import argparse
import fnmatch
import shutil
import sys
import time
import traceback
import warnings
from pathlib import Path

from reproducible import start_repeatably


def all_cases(small_only):
    """Name → builder. A builder writes `model.onnx` into a directory and returns the data sets to
    run.
    """
    import comparison_boosting
    import comparison_sklearn
    import comparison_torch

    cases = {
        **comparison_torch.small_cases(),
        **comparison_sklearn.cases(),
        **comparison_boosting.cases(),
    }
    if not small_only:
        cases |= comparison_torch.large_cases()
    return cases


def make_case(directory, build):
    """Build one case from nothing."""
    from golden_case import write_golden_case

    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    data_sets = build(directory)
    write_golden_case(directory, None, data_sets)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out_dir", type=Path, nargs="?", default=Path(".build/comparison-models"))
    parser.add_argument(
        "--small", action="store_true", help="only the models that are committed as golden data"
    )
    parser.add_argument(
        "--only", metavar="PATTERN", default="*", help="names to make, as in a shell: 'tiny-*'"
    )
    parser.add_argument(
        "--missing", action="store_true", help="skip the ones that are there already"
    )
    arguments = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    failures = 0
    for name, build in all_cases(arguments.small).items():
        directory = arguments.out_dir / name
        if not fnmatch.fnmatch(name, arguments.only):
            continue
        if arguments.missing and (directory / "test_data_set_0" / "output_0.pb").exists():
            continue
        started = time.monotonic()
        try:
            make_case(directory, build)
        except Exception:  # one exporter's trouble must not hide the others
            failures += 1
            shutil.rmtree(directory, ignore_errors=True)
            print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)
            continue
        size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
        print(f"{name}: {size / 1024:.0f} KiB, {time.monotonic() - started:.1f} s", flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    start_repeatably()
    main()
