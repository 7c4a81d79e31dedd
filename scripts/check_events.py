#!/usr/bin/env python3
"""Reads a run's files of events with TensorBoard's own reader and compares them with report.json; or a sweep's with trials.csv.

    pip install tensorboard
    scripts/check_events.py RUN_OR_SWEEP

Every curve must be there, point for point, with the report's values (as 32-bit floats, which TensorBoard keeps), and no epoch twice.
"""
import csv
import json
import math
import pathlib
import sys

import numpy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata


def check(condition, what):
    if not condition:
        sys.exit("differs: " + what)


def read(folder):
    return EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0, "tensors": 0}).Reload()


def check_scalars(events, tag, steps, values):
    points = events.Scalars(tag)
    check([point.step for point in points] == steps, f"{tag}: steps {[point.step for point in points]}, expected {steps}")
    check(numpy.array_equal(numpy.array([point.value for point in points], numpy.float32), numpy.array(values, numpy.float32), equal_nan=True), f"{tag}: values")


def check_run(folder):
    report, events = json.loads((folder / "report.json").read_text()), read(folder / "tensorboard")
    scalars, histograms = set(events.Tags()["scalars"]), events.Tags()["histograms"]
    curves = points = 0
    for step in report["steps"]:
        for curve in step["curves"]:
            tag = f"{step['name']}/{curve['name']}"
            epochs = [math.ceil(epoch) for epoch in curve["epochs"]]
            check(len(set(epochs)) == len(epochs), f"{tag}: an epoch twice")
            check_scalars(events, tag, epochs, [math.nan if value is None else value for value in curve["values"]])
            scalars.discard(tag)
            curves, points = curves + 1, points + len(epochs)
    figures = {f"steps/{name}" for step in report["steps"] for name in (*step["metrics"], "macs", "parameters", "size_bytes")}
    check(scalars == figures, f"other scalars: {scalars ^ figures}")
    for name in figures:
        rows = [(step["index"], step["metrics"].get(name[6:], step.get(name[6:]))) for step in report["steps"]]
        rows = [row for row in rows if row[1] is not None]
        check_scalars(events, name, [row[0] for row in rows], [row[1] for row in rows])
    for tag in histograms:
        for event in events.Histograms(tag):
            h = event.histogram_value
            check(sum(h.bucket) == h.num and h.min <= h.max and len(h.bucket) == len(h.bucket_limit), f"{tag}: histogram")
    print(f"{curves} curves, {points} points, {len(figures)} figures, {len(histograms)} histograms: equal")


def check_sweep(folder):
    rows = {row["trial"]: row for row in csv.DictReader((folder / "trials.csv").open())}
    experiment = metadata.parse_experiment_plugin_data(read(folder / "tensorboard").PluginTagToContent("hparams")[metadata.EXPERIMENT_TAG])
    names = [info.name for info in experiment.hparam_infos]
    for trial, row in rows.items():
        events = read(folder / f"tensorboard/trial-{int(trial):04d}")
        content = events.PluginTagToContent("hparams")
        start = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG])
        metadata.parse_session_end_info_plugin_data(content[metadata.SESSION_END_INFO_TAG])
        for name in names:
            value = start.hparams[name]
            check(str(row[name]) in (value.string_value, f"{value.number_value:g}"), f"trial {trial}: {name} is {row[name]}")
        for info in experiment.metric_infos:
            tag = info.name.tag
            if tag != "seconds" and row.get(tag):  # which the table rounds
                check(numpy.float32(row[tag]) == numpy.float32(events.Scalars(tag)[0].value), f"trial {trial}: {tag} is {row[tag]}")
    print(f"{len(rows)} trials, {len(names)} parameters, {len(experiment.metric_infos)} figures: equal")


if __name__ == "__main__":
    run = pathlib.Path(sys.argv[1])
    check_sweep(run) if (run / "sweep.json").exists() else check_run(run)
