#!/usr/bin/env python3
"""Writes tests/fixtures/events.tfevents: records as TensorBoard's own writer makes them (recorded with tensorboard 2.21.0).

    python3 -m venv /tmp/trackers && /tmp/trackers/bin/pip install tensorboard
    /tmp/trackers/bin/python scripts/make_event_fixture.py
"""
import pathlib

from tensorboard.compat.proto import event_pb2, histogram_pb2, summary_pb2
from tensorboard.plugins.hparams import metadata, plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/events.tfevents"


def value(step, **content):
    return event_pb2.Event(wall_time=1700000000.25 + step, step=step, summary=summary_pb2.Summary(value=[summary_pb2.Summary.Value(**content)]))


def main():
    # -1, 0.5 and 2 in buckets of a tenth.
    histogram = histogram_pb2.HistogramProto(min=-1, max=2, num=3, sum=1.5, sum_squares=5.25, bucket_limit=[-1 + 0.1 * i for i in range(1, 30)] + [2],
                                             bucket=[1] + 14 * [0] + [1] + 13 * [0] + [1])
    session = plugin_data_pb2.HParamsPluginData(session_start_info=plugin_data_pb2.SessionStartInfo(group_name="trial-0001", start_time_secs=1700000000.25))
    events = [
        event_pb2.Event(wall_time=1700000000.25, file_version="brain.Event:2"),
        value(1, tag="train/train_loss", simple_value=2.5),
        value(300, tag="train/lr", simple_value=0.0),
        value(2, tag="weights/conv.weight", histo=histogram),
        value(0, tag="_hparams_/session_start_info", tensor=metadata.NULL_TENSOR, metadata=metadata.create_summary_metadata(session)),
    ]
    with OUT.open("wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString(deterministic=True))
    print(f"{OUT}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
