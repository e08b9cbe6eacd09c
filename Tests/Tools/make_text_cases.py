#!/usr/bin/env python3
"""Write Tests/Golden/text/expressions.json: what onnxruntime, whose expressions are RE2's, finds.

Random expressions of RE2's syntax, each with a few texts. For each text: whether the whole of it
matches (RegexFullMatch), and its tokens (Tokenizer: the longest of the leftmost matches). Hand-picked
expressions stand first, also such that RE2 refuses.

    .build/venv-models/bin/python Tests/Tools/make_text_cases.py
"""

import json
import random
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

TARGET = Path(__file__).resolve().parents[1] / "Golden" / "text" / "expressions.json"
ALPHABET = "abcABkK19_ -.\n" + "éÉß\u212a漢😀"

PICKED = r"""
a** ; a{2}{3} ; \pN+ ; [[:foo:]] ; a{1001} ; (?P<n>a) ; (?<n>a) ; \_ ; \Q.\E+ ; [a-\d] ; [\d-z]+
x{,2} ; x{2,1} ; (?i-i)a ; (?) ; (?:) ; ^* ; (|a)* ; [^\n] ; \8 ; \08 ; \x{10FFFF} ; \x1 ; []a] ; [a
a) ; (a ; \\ ; \ ; (?i:[k-l]) ; [[:^alpha:]] ; \pZ ; (?U)a+ ; (?-) ; (?i-)a ; \Z ; [[a] ; [a-] ; [-a]
[a-c-e] ; + ; |* ; (*) ; (?s-m:.) ; [[:word:]-z] ; a{0} ; a{0,0}b ; \Qa ; \Q\E ; \Qab\E* ; x\Q\E*
x**? ; x*+ ; (?i)é ; (?i)[à-ï] ; (?i)K+ ; (?i)\w+ ; \W+ ; \S+ ; \D ; \PL ; \p{^Lu} ; \p{Ll}+ ; \P{N}
(?m)^.+$ ; (?m)^$ ; ^$ ; \Aa ; a\z ; \ba ; a\b ; \Ba ; \b ; \B ; (?s).+ ; .* ; (a|ab)(c|bcd) ; (?=a)
(?i)ß ; \141 ; \x61+ ; \x{e9} ; \a ; \t|\n ; a|*b ; (?P=n) ; (?<=a) ; a{,} ; a{1 ; a{1,a} ; {1} ; a{2,}
[^a] ; [^\d\s]+ ; [\pL\d]+ ; [[:alpha:][:digit:]]+ ; [a\]b]+ ; [\x61-\x63]+ ; [z-a] ; (((a)|b)|c)+ ; 漢+
"""


def atom(rng, depth):
    kind = rng.randrange(12)
    if kind < 5:
        return rng.choice(["a", "b", "c", "k", "1", "é", "K", "ß", "漢", r"\.", " "])
    if kind == 5:
        return "."
    if kind == 6:
        return rng.choice([r"\d", r"\w", r"\s", r"\W", r"\D", r"\S", r"\pL", r"\p{Lu}", r"\PN"])
    if kind == 7:
        items = [rng.choice(["a-c", "k", "0-9", "é", r"\d", "[:upper:]", "_", "A-Z", "-"])
                 for _ in range(rng.randint(1, 3))]  # fmt: skip
        return "[" + rng.choice(["", "", "^"]) + "".join(items) + "]"
    if kind == 8:
        return rng.choice(["^", "$", r"\b", r"\B", "(?m:^)", "(?m:$)", r"\A", r"\z"])
    if depth == 0:
        return "ab"
    opening = rng.choice(["(", "(?:", "(?i:", "(?s:", "(?P<x>", "(?m:"])
    return opening + choice(rng, depth - 1) + ")"


def sequence(rng, depth):
    parts = []
    for _ in range(rng.randint(1, 4)):
        repetition = rng.choice(["", "", "", "", "*", "+", "?", "{2}", "{1,2}", "{2,}", "*?", "+?"])
        parts.append(atom(rng, depth) + repetition)
    return "".join(parts)


def choice(rng, depth):
    branches = [sequence(rng, depth) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    if rng.randrange(12) == 0:
        branches.append("")
    return "|".join(branches)


def run(node, kind, texts):
    """The node's output, or None if it is refused."""
    values = [helper.make_tensor_value_info(*v, None) for v in (("x", TensorProto.STRING), ("y", kind))]
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString())
    except Exception:  # onnxruntime's own exception types are not public
        return None
    return session.run(None, {"x": np.array(texts, dtype=object)})[0].tolist()


def tokens_of(pattern, texts):
    node = helper.make_node(
        "Tokenizer", ["x"], ["y"], domain="com.microsoft", mark=0, mincharnum=1, pad_value="",
        tokenexp=pattern,
    )  # fmt: skip
    rows = run(node, TensorProto.STRING, texts)
    return rows and [[token for token in row if token] for row in rows]


def case_of(pattern, texts):
    """Some of the tokens become texts too: they match as a whole, more or less."""
    tokens = tokens_of(pattern, texts)
    if tokens is None:
        return {"pattern": pattern}
    texts = [*texts[:4], *sorted({token for row in tokens for token in row}, key=len)[-3:], texts[-1]]
    node = helper.make_node("RegexFullMatch", ["x"], ["y"], pattern=pattern)
    whole = run(node, TensorProto.BOOL, texts)
    return {
        "pattern": pattern,
        "texts": texts,
        "whole": [int(answer) for answer in whole],
        "tokens": tokens_of(pattern, texts),
    }


def main():
    onnxruntime.set_default_logger_severity(4)
    rng = random.Random(4)
    patterns = [part.strip() for part in PICKED.replace("\n", " ; ").split(" ; ") if part.strip()]
    patterns += [choice(rng, 2) for _ in range(320)]
    cases = []
    for pattern in patterns:
        texts = ["".join(rng.choices(ALPHABET, k=rng.choice([1, 2, 3, 5, 8, 13]))) for _ in range(5)]
        texts.append(rng.choice(["a", "ab", "", "k", "\n", "aab", "é"]))
        cases.append(case_of(pattern, texts))
    TARGET.parent.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    TARGET.write_text(f"[\n{lines}\n]\n")
    refused = sum("whole" not in case for case in cases)
    print(f"{len(cases)} expressions, {refused} of them refused")


if __name__ == "__main__":
    main()
