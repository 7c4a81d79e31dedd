#!/usr/bin/env python3
"""Writes tests/fixtures/metrics.json: predictions, labels, and what scikit-learn, scipy, dtaidistance and SQuAD's script make of them.

    scripts/setup peers && .venv/bin/python scripts/make_metric_fixtures.py      (scikit-learn comes with the peers)
"""
import json
import pathlib
import re
import string
from collections import Counter

import dtaidistance.dtw
import dtaidistance.dtw_ndim
import numpy
import scipy.special
import scipy.stats
import sklearn.metrics

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/metrics.json"
ANSWERS = [("The Eiffel Tower", "Eiffel tower"), ("in 1854, the city", "1854"), ("an apple a day", "apple day"), ("U.S.A.", "usa"), ("ÉCOLE normale", "école  normale"),
           ("“the” plan", "plan"), ("a", "the"), ("", "nothing"), ("well-known", "well known"), ("x x y", "x y y"), ("snake_case the", "snakecase"), ("theatre", "the atre"),
           ("five\u00a0hundred", "five hundred"), ("no overlap", "at all")]


# normalize_answer, exact match and F1 as in SQuAD's evaluate-v1.1.py.
def normalize_answer(text):
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def answer_f1(predicted, answer):
    mine, theirs = normalize_answer(predicted).split(), normalize_answer(answer).split()
    same = sum((Counter(mine) & Counter(theirs)).values())
    if same == 0:
        return 0
    precision, recall = same / len(mine), same / len(theirs)
    return 2 * precision * recall / (precision + recall)


def classes(random, rows, count, absent=()):
    logits = random.normal(size=(rows, count)).astype(numpy.float32).round(3)
    labels = random.integers(count, size=rows)
    labels[numpy.isin(labels, absent)] = 0
    logits[numpy.arange(rows), labels] += 1
    for c in absent:
        logits[:, c] -= 20
    predicted = logits.argmax(1)
    log_p = scipy.special.log_softmax(logits.astype(numpy.float64), axis=1)
    base = random.normal(size=(rows, count)).astype(numpy.float32).round(3)
    log_q = scipy.special.log_softmax(base.astype(numpy.float64), axis=1)
    loss = sklearn.metrics.log_loss(labels, numpy.exp(log_p), labels=range(count))
    expected = {"top1": sklearn.metrics.accuracy_score(labels, predicted), "macro_f1": sklearn.metrics.f1_score(labels, predicted, average="macro"),
                "matthews": sklearn.metrics.matthews_corrcoef(labels, predicted), "loss": loss, "perplexity": numpy.exp(loss),
                "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(labels, predicted),
                "miou": sklearn.metrics.jaccard_score(labels, predicted, average="macro"),
                "brier": sklearn.metrics.brier_score_loss(labels, numpy.exp(log_p), labels=range(count), scale_by_half=False),
                "agreement": (predicted == base.argmax(1)).mean(), "kl": scipy.special.rel_entr(numpy.exp(log_q), numpy.exp(log_p)).sum(1).mean()}
    if count == 2:
        margin = logits[:, 1] - logits[:, 0]
        (good, alarms), (missed, found) = sklearn.metrics.confusion_matrix(labels, predicted)
        expected |= {"f1": sklearn.metrics.f1_score(labels, predicted), "auroc": sklearn.metrics.roc_auc_score(labels, margin),
                     "average_precision": sklearn.metrics.average_precision_score(labels, margin), "false_alarms": alarms / (good + alarms), "misses": missed / (missed + found)}
    return {"outputs": logits.tolist(), "labels": labels.tolist(), "base": base.tolist(), "metrics": {name: float(value) for name, value in expected.items()}}


def numbers(random, rows):
    labels = random.uniform(0, 5, rows).astype(numpy.float32).round(1)  # many ties
    predicted = (labels + random.normal(size=rows)).astype(numpy.float32).round(1)
    exact = predicted.astype(numpy.float64), labels.astype(numpy.float64)
    return {"outputs": predicted.tolist(), "labels": labels.tolist(),
            "metrics": {"pearson": float(scipy.stats.pearsonr(*exact)[0]), "spearman": float(scipy.stats.spearmanr(*exact)[0]),
                        "mse": float(sklearn.metrics.mean_squared_error(*exact)), "mae": float(sklearn.metrics.mean_absolute_error(*exact)),
                        "r2": float(sklearn.metrics.r2_score(exact[1], exact[0]))}}


def series(random, rows, steps, width):
    shape = (rows, steps) if width == 1 else (rows, steps, width)
    outputs, labels = (random.normal(size=shape).cumsum(1).astype(numpy.float32).round(2) for _ in range(2))
    distance = dtaidistance.dtw.distance if width == 1 else dtaidistance.dtw_ndim.distance
    distances = [distance(a.astype(numpy.float64), b.astype(numpy.float64)) for a, b in zip(outputs, labels)]
    return {"outputs": outputs.reshape(rows, -1).tolist(), "labels": labels.reshape(rows, -1).tolist(), "shape": shape, "metrics": {"dtw": float(numpy.mean(distances))}}


def main():
    random = numpy.random.default_rng(0)
    answers = [{"predicted": p, "answer": a, "normal": normalize_answer(p), "exact": int(normalize_answer(p) == normalize_answer(a)), "f1": answer_f1(p, a)} for p, a in ANSWERS]
    fixture = {"classes": [classes(random, 97, 2), classes(random, 120, 5), classes(random, 60, 4, absent=(3,))], "numbers": [numbers(random, 80)], "answers": answers,
               "series": [series(random, 6, 24, 1), series(random, 5, 15, 3)]}
    OUT.write_text(json.dumps(fixture, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(OUT)


if __name__ == "__main__":
    main()
