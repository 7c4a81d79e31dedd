#!/usr/bin/env python3
"""Writes tests/fixtures/metrics.json: predictions, labels, and what scikit-learn, scipy, dtaidistance, tslearn and SQuAD's script make of them.

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
import scipy.ndimage
import scipy.special
import scipy.stats
import sklearn.metrics
import tslearn.metrics

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
        reached = scipy.special.expit(margin.astype(numpy.float64)) >= 0.7
        alarms, found, _ = sklearn.metrics.roc_curve(labels, margin, drop_intermediate=False)
        expected |= {"false_alarms(threshold=0.7)": reached[labels == 0].mean(), "misses(threshold=0.7)": 1 - reached[labels == 1].mean(), "false_alarms(recall=0.9)": alarms[(found >= 0.9).argmax()]}
    each = {}  # of each class against all others
    if count > 2 and not absent:
        each = {"auroc": sklearn.metrics.roc_auc_score(labels, numpy.exp(log_p), multi_class="ovr"),
                     "average_precision": sklearn.metrics.average_precision_score(numpy.eye(count)[labels], numpy.exp(log_p), average="macro")}
    return {"outputs": logits.tolist(), "labels": labels.tolist(), "base": base.tolist(), "metrics": {name: float(value) for name, value in expected.items()},
            "each": {name: float(value) for name, value in each.items()}}


def several(random, rows, count):
    """Examples that may have several classes."""
    labels = (random.random((rows, count)) < 0.3).astype(int)
    logits = (random.normal(size=labels.shape) + 1.5 * labels - 0.7).astype(numpy.float32).round(2)
    share = scipy.special.expit(logits.astype(numpy.float64))
    expected = {"multilabel_ap": sklearn.metrics.average_precision_score(labels, logits, average="macro"), "multilabel_auroc": sklearn.metrics.roc_auc_score(labels, logits, average="macro"),
                "multilabel_macro_f1": sklearn.metrics.f1_score(labels, share >= 0.5, average="macro"), "multilabel_micro_f1": sklearn.metrics.f1_score(labels, share >= 0.5, average="micro"),
                "multilabel_micro_f1(threshold=0.3)": sklearn.metrics.f1_score(labels, share >= 0.3, average="micro"),
                "loss": numpy.mean([sklearn.metrics.log_loss(labels[:, c], share[:, c]) for c in range(count)])}
    return {"outputs": logits.tolist(), "labels": labels.tolist(), "metrics": {name: float(value) for name, value in expected.items()}}


def numbers(random, rows):
    labels = random.uniform(0, 5, rows).astype(numpy.float32).round(1)  # many ties
    predicted = (labels + random.normal(size=rows)).astype(numpy.float32).round(1)
    exact = predicted.astype(numpy.float64), labels.astype(numpy.float64)
    return {"outputs": predicted.tolist(), "labels": labels.tolist(),
            "metrics": {"pearson": float(scipy.stats.pearsonr(*exact)[0]), "spearman": float(scipy.stats.spearmanr(*exact)[0]),
                        "mse": float(sklearn.metrics.mean_squared_error(*exact)), "mae": float(sklearn.metrics.mean_absolute_error(*exact)),
                        "r2": float(sklearn.metrics.r2_score(exact[1], exact[0]))}}


def series(random, rows, steps, width, scale=1):
    shape = (rows, steps) if width == 1 else (rows, steps, width)
    outputs, labels = ((scale * random.normal(size=shape)).cumsum(1).astype(numpy.float32).round(2) for _ in range(2))
    distance = dtaidistance.dtw.distance if width == 1 else dtaidistance.dtw_ndim.distance
    distances = [distance(a.astype(numpy.float64), b.astype(numpy.float64)) for a, b in zip(outputs, labels)]
    return {"outputs": outputs.reshape(rows, -1).tolist(), "labels": labels.reshape(rows, -1).tolist(), "shape": shape, "metrics": {"dtw": float(numpy.mean(distances))}}


def border(classes, c):
    """Pixels of class c with another class beside, above or below."""
    own, found = classes == c, numpy.zeros(classes.shape, bool)
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        other = numpy.roll(~own & (classes >= 0), step, axis)
        index = [slice(None)] * 2
        index[axis] = 0 if step == 1 else -1
        other[tuple(index)] = False
        found |= own & other
    return found


def boundary_f1(predicted, labels, count):
    """Csurka et al. 2013, with distances by scipy."""
    predicted = numpy.where(labels < 0, labels, predicted)
    reach = numpy.ceil(0.0075 * numpy.hypot(*labels.shape))
    scores = []
    for c in range(count):
        mine, right = border(predicted, c), border(labels, c)
        if not mine.any() and not right.any():
            continue
        shares = []
        for a, b in ((mine, right), (right, mine)):
            near = scipy.ndimage.distance_transform_edt(~b) <= reach if b.any() else numpy.zeros(b.shape, bool)
            shares.append(near[a].mean() if a.any() else 0)
        scores.append(2 * shares[0] * shares[1] / sum(shares) if sum(shares) > 0 else 0)
    return numpy.mean(scores) if scores else 1


def blobs(random, pictures, count, height, width):
    """Pictures of a few large areas."""
    fields = random.normal(size=(pictures, count, height, width))
    return numpy.stack([[scipy.ndimage.gaussian_filter(field, 4) for field in picture] for picture in fields]) * 20


def pixels(random, pictures, count, height, width):
    scores = blobs(random, pictures, count, height, width)
    labels = (scores + 0.4 * blobs(random, pictures, count, height, width)).argmax(1)
    labels[:, :3, :5] = -100  # pixels without a label
    predicted, known = scores.argmax(1), labels >= 0
    expected = {"pixel_accuracy": sklearn.metrics.accuracy_score(labels[known], predicted[known]), "miou": sklearn.metrics.jaccard_score(labels[known], predicted[known], average="macro"),
                "boundary_f1": numpy.mean([boundary_f1(p, l, count) for p, l in zip(predicted, labels)])}
    text = lambda classes: ["".join("." if c < 0 else str(c) for c in picture.flat) for picture in classes]  # one sign a pixel
    return {"predicted": text(predicted), "labels": text(labels), "classes": count, "height": height, "width": width,
            "metrics": {name: float(value) for name, value in expected.items()}}


def warped(random, rows, steps, width):
    """Series with a class each: tslearn's and dtaidistance's distances, and the nearest other series' class by them."""
    entry = series(random, rows, steps, width, 0.3)
    outputs, labels = (numpy.asarray(entry[key], numpy.float64).reshape(rows, steps, width) for key in ("outputs", "labels"))
    pairs = list(zip(outputs, labels))
    classes = random.integers(3, size=rows)
    between = tslearn.metrics.cdist_dtw(outputs, sakoe_chiba_radius=4)
    numpy.fill_diagonal(between, numpy.inf)
    banded = numpy.mean([tslearn.metrics.dtw(a, b, sakoe_chiba_radius=3) for a, b in pairs])
    assert abs(banded - numpy.mean([dtaidistance.dtw_ndim.distance(a, b, window=4) for a, b in pairs])) < 1e-9
    return entry | {"classes": classes.tolist(), "nearest": {"dtw_1nn(band=4)": float((classes[between.argmin(1)] == classes).mean())},
                    "metrics": entry["metrics"] | {"dtw(band=3)": float(banded), "soft_dtw": float(numpy.mean([tslearn.metrics.soft_dtw(a, b, gamma=1.0) for a, b in pairs])),
                                                   "soft_dtw(gamma=0.1)": float(numpy.mean([tslearn.metrics.soft_dtw(a, b, gamma=0.1) for a, b in pairs]))}}


def main():
    random = numpy.random.default_rng(0)
    answers = [{"predicted": p, "answer": a, "normal": normalize_answer(p), "exact": int(normalize_answer(p) == normalize_answer(a)), "f1": answer_f1(p, a)} for p, a in ANSWERS]
    fixture = {"classes": [classes(random, 97, 2), classes(random, 120, 5), classes(random, 60, 4, absent=(3,))], "numbers": [numbers(random, 80)], "answers": answers,
               "series": [series(random, 6, 24, 1), series(random, 5, 15, 3)]}
    fixture |= {"warped": [warped(random, 12, 20, 1), warped(random, 10, 16, 2)], "pixels": [pixels(random, 2, 4, 90, 110)], "several": [several(random, 60, 4)]}
    OUT.write_text(json.dumps(fixture, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(OUT)


if __name__ == "__main__":
    main()
