#!/usr/bin/env python3
"""Writes tests/fixtures/detection.json: boxes of pictures, found boxes, and what pycocotools makes of them.

    scripts/setup peers && .venv/bin/python scripts/make_detection_fixtures.py
"""
import contextlib
import io
import json
import pathlib

import numpy
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/detection.json"
NAMES = ["map", "map_50", "map_75", "map_small", "map_medium", "map_large", "mar_1", "mar_10", "mar_100"]


def scene(random, pictures, categories, crowds):
    """Boxes of all sizes, found again with errors, some twice, some of the wrong category, some that are not there."""
    truth, found = [], []
    for image in range(1, pictures + 1):
        for _ in range(random.integers(0, 9)):
            width, height = (float(v) for v in numpy.exp(random.uniform(2, 5.3, 2)).round(1))
            box = [float(v) for v in random.uniform(0, 400, 2).round(1)] + [width, height]
            category = int(random.integers(1, categories + 1)) * 10
            crowd = int(crowds and random.random() < 0.15)
            truth.append({"id": len(truth) + 1, "image_id": image, "category_id": category, "bbox": box, "area": round(width * height * float(random.uniform(0.5, 1)), 2), "iscrowd": crowd})
            for _ in range(random.integers(0, 4)):
                shaken = [round(v + float(e) * min(width, height) * 0.12, 1) for v, e in zip(box, random.normal(size=4))]
                wrong = random.random() < 0.1
                found.append({"image_id": image, "category_id": 10 if wrong else category, "bbox": shaken[:2] + [max(1, s) for s in shaken[2:]], "score": round(float(random.uniform()), 2)})
        for _ in range(random.integers(0, 4)):
            found.append({"image_id": image, "category_id": int(random.integers(1, categories + 1)) * 10, "bbox": [float(v) for v in random.uniform(1, 200, 4).round(1)], "score": round(float(random.uniform(0, 0.7)), 2)})
    return truth, found


def scores(truth, found, pictures, categories):
    data = COCO()
    data.dataset = {"images": [{"id": i, "width": 640, "height": 640} for i in range(1, pictures + 1)], "annotations": truth, "categories": [{"id": 10 * c, "name": f"c{c}"} for c in range(1, categories + 1)]}
    data.createIndex()
    evaluation = COCOeval(data, data.loadRes(found), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return dict(zip(NAMES, (float(v) for v in evaluation.stats[:9])))


def main():
    random = numpy.random.default_rng(4)
    scenes = []
    for pictures, categories, crowds in ((12, 3, False), (40, 4, True), (100, 1, False)):
        truth, found = scene(random, pictures, categories, crowds)
        with contextlib.redirect_stdout(io.StringIO()):
            expected = scores(truth, found, pictures, categories)
        scenes.append({"pictures": pictures, "categories": categories,
                       "truth": [[t["image_id"] - 1, t["category_id"] // 10 - 1, *t["bbox"], t["area"], t["iscrowd"]] for t in truth],
                       "found": [[f["image_id"] - 1, f["category_id"] // 10 - 1, *f["bbox"], f["score"]] for f in found], "scores": expected})
    OUT.write_text(json.dumps(scenes, separators=(",", ":")) + "\n")
    print(OUT)


if __name__ == "__main__":
    main()
