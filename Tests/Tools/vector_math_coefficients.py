"""Finds the polynomials of Sources/CApusKernels/families/math.h: prints each one's coefficients,
lowest power first, and the largest error of the exact polynomial with these rounded coefficients.

Weighted least squares on Chebyshev nodes, reweighted until the error is nearly level (Lawson 1961).

    python vector_math_coefficients.py    # needs mpmath and numpy
"""

import mpmath
import numpy as np

mpmath.mp.dps = 40


def fit(name, target, weight, low, high, degree, in_square=False):
    """`target(x) ~ sum c[k] * u^k`, u = x or x^2, least weighted maximal error on low..high."""
    count = 400
    nodes = [
        (low + high) / 2 + (high - low) / 2 * mpmath.cos(mpmath.pi * (k + 0.5) / count)
        for k in range(count)
    ]
    unknown = [x * x if in_square else x for x in nodes]
    values = np.array([float(target(x)) for x in nodes], dtype=np.longdouble)
    weights = np.array([float(weight(x)) for x in nodes], dtype=np.longdouble)
    scale = max(abs(float(u)) for u in unknown)
    powers = np.array([[(float(u) / scale) ** k for k in range(degree + 1)] for u in unknown])
    lawson = np.ones(count)
    best = None
    for _ in range(300):
        factor = np.sqrt(lawson) * weights
        solution = np.linalg.lstsq(
            (powers * factor[:, None]).astype(np.float64), (values * factor).astype(np.float64),
            rcond=None,
        )[0]
        error = np.abs((powers @ solution - values) * weights)
        if best is None or error.max() < best[0]:
            best = (error.max(), solution)
        lawson = lawson * error.astype(np.float64)
        lawson /= lawson.sum() / count
    coefficients = [np.float32(c / scale**k) for k, c in enumerate(best[1])]
    exact = [mpmath.mpf(float(c)) for c in coefficients]
    worst = max(
        abs(sum(c * u**k for k, c in enumerate(exact)) - target(x)) * weight(x)
        for x, u in zip(nodes, unknown)
    )
    print(f"{name}: weighted error {mpmath.nstr(worst, 3)}")
    for c in coefficients:
        print(f"    {float(c).hex()}f,  // {c!r}")


def main():
    log, exp, sqrt, pi = mpmath.log, mpmath.exp, mpmath.sqrt, mpmath.pi
    half = log(2) / 2 * mpmath.mpf("1.001")
    fit("exp(x) = 1 + x + x^2 p(x)", lambda x: (exp(x) - 1 - x) / x**2, lambda x: x**2 / exp(x),
        -half, half, 4)
    fit("log(1 + x) = x - x^2 / 2 + x^3 p(x)",
        lambda x: (log(1 + x) - x + x**2 / 2) / x**3, lambda x: abs(x**3 / log(1 + x)),
        1 / sqrt(2) - 1, sqrt(2) - 1, 8)
    fit("tanh(x) = x + x^3 p(x^2)", lambda x: (mpmath.tanh(x) - x) / x**3,
        lambda x: x**3 / mpmath.tanh(x), mpmath.mpf("1e-3"), mpmath.mpf("0.626"), 4, True)
    fit("erf(x) = x + x p(x^2)", lambda x: mpmath.erf(x) / x - 1, lambda x: x / mpmath.erf(x),
        mpmath.mpf("1e-6"), mpmath.mpf("0.93"), 6, True)
    # The error of the exponent is erfc's relative error; erf needs less where erfc is small.
    fit("erfc(x) = exp(-x p(x))", lambda x: -log(mpmath.erfc(x)) / x,
        lambda x: x * max(mpmath.erfc(x), mpmath.mpf("0.002")) , mpmath.mpf("0.9"),
        mpmath.mpf("4.05"), 8)


if __name__ == "__main__":
    main()
