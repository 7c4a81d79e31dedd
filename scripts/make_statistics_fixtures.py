#!/usr/bin/env python3
"""Writes tests/fixtures/statistics.json: what scipy and statsmodels make of outcomes and timings (recorded with scipy 1.17.1,
numpy 2.4.6 and statsmodels 0.15.0, seed 0).

    python3 -m venv /tmp/statistics && /tmp/statistics/bin/pip install scipy statsmodels
    /tmp/statistics/bin/python scripts/make_statistics_fixtures.py
"""
import json
import pathlib

import numpy
import scipy.special
import scipy.stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.weightstats import DescrStatsW

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/statistics.json"

DRIFTS = [(lambda r: r.normal(0, 1, 400), lambda r: r.normal(0, 1, 300)), (lambda r: r.normal(0, 1, 400), lambda r: r.normal(0.5, 1.5, 300)),
          (lambda r: r.integers(0, 3, 200), lambda r: r.integers(1, 5, 90)), (lambda r: r.normal(0, 1, 50), lambda r: r.normal(9, 1, 50)),
          (lambda r: numpy.ones(20), lambda r: numpy.ones(30))]


# scipy has the statistic and Kolmogorov's limit; the population-stability index has no library that all agree on, so numpy.
def drift(random, make_before, make_now):
    before, now = make_before(random).astype(float), make_now(random).astype(float)
    statistic = scipy.stats.ks_2samp(before, now).statistic
    ends = numpy.unique(numpy.quantile(before, numpy.arange(1, 10) / 10, method="lower"))
    counts = [numpy.bincount(numpy.searchsorted(ends, values, side="left"), minlength=len(ends) + 1) for values in (before, now)]
    used = counts[0] + counts[1] > 0
    was, now_shares = (numpy.maximum(count[used], 0.5) / count.sum() for count in counts)
    return {"before": before.tolist(), "now": now.tolist(), "ks": float(statistic),
            "p": float(scipy.special.kolmogorov(statistic * numpy.sqrt(len(before) * len(now) / (len(before) + len(now))))),
            "psi": float(((now_shares - was) * numpy.log(now_shares / was)).sum())}


def main():
    random = numpy.random.default_rng(0)
    pairs = [(0, 0), (3, 0), (0, 1), (10, 25), (25, 10), (120, 80), (7, 7), (1500, 1411), (90000, 90500)]
    result = {"mcnemar": [{"lost": a, "won": b, "p": float(mcnemar([[5, a], [b, 5]], exact=True).pvalue)} for a, b in pairs]}

    timings = []
    for x, y in [(random.normal(10, 1, 40), random.normal(10.5, 1, 35)), (random.normal(5, 1, 12).round(), random.normal(5, 1, 12).round()),
                 (numpy.ones(5), numpy.ones(6)), (random.lognormal(1, 0.2, 100), random.lognormal(1.4, 0.2, 100))]:
        p = float(scipy.stats.mannwhitneyu(x, y, method="asymptotic").pvalue)
        ratio = scipy.stats.bootstrap((x, y), lambda a, b, axis: numpy.median(b, axis=axis) / numpy.median(a, axis=axis), n_resamples=20000,
                                      method="percentile", confidence_level=0.9, vectorized=True, rng=0, batch=500).confidence_interval if x.std() > 0 else (1, 1)
        timings.append({"x": x.tolist(), "y": y.tolist(), "p": p if numpy.isfinite(p) else 1.0, "ratio": [float(ratio[0]), float(ratio[1])]})
    result["timings"] = timings

    differences = []
    for count, lost, won in [(1000, 90, 60), (872, 12, 8), (5000, 400, 130)]:
        values = numpy.zeros(count)
        values[:lost], values[lost:lost + won] = -1, 1
        interval = scipy.stats.bootstrap((values,), numpy.mean, n_resamples=20000, method="percentile", confidence_level=0.9, rng=0, batch=100).confidence_interval
        differences.append({"count": count, "lost": lost, "won": won, "bootstrap": [float(interval.low), float(interval.high)],
                            "normal": [float(v) for v in DescrStatsW(values).zconfint_mean(alpha=0.1)]})
    result["differences"] = differences
    result["quantiles"] = [{"probability": p, "z": float(scipy.stats.norm.ppf(p))} for p in (1e-9, 0.001, 0.05, 0.3, 0.5, 0.9, 0.95, 0.999, 1 - 1e-9)]
    result["drift"] = [drift(random, a, b) for a, b in DRIFTS]
    OUT.write_text(json.dumps(result, separators=(",", ":")) + "\n")
    print(OUT)


if __name__ == "__main__":
    main()
