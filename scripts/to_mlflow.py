#!/usr/bin/env python3
"""Puts finished runs into MLflow: settings as parameters, curves and figures as metrics, reports as artifacts.

    pip install mlflow
    scripts/to_mlflow.py out [out2 ...] [--tracking-uri sqlite:///mlflow.db] [--experiment NAME]
    mlflow ui --backend-store-uri sqlite:///mlflow.db

Folders are those of runs or of sweeps. Nothing is sent anywhere but to the tracking URI.
"""
import argparse
import datetime
import os
import re
import sys

from tracked_runs import read_runs

LONGEST_NAME, LONGEST_VALUE = 250, 500


def allowed(name):
    """MLflow takes letters, digits and a few signs in names."""
    return re.sub(r"[^\w\-./ :]", "_", name)[:LONGEST_NAME]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--tracking-uri", default="sqlite:///mlflow.db")
    parser.add_argument("--experiment", default="dscompress")
    options = parser.parse_args()
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.tracking import MlflowClient
    except ImportError:
        sys.exit("MLflow is not installed: pip install mlflow")
    client = MlflowClient(tracking_uri=options.tracking_uri)
    found = client.get_experiment_by_name(options.experiment)
    experiment = found.experiment_id if found else client.create_experiment(options.experiment)
    for run in read_runs(options.folders):
        start = int(1000 * datetime.datetime.fromisoformat(run.started_at).timestamp())
        made = client.create_run(experiment, start_time=start, run_name=run.name, tags={"dscompress.folder": str(run.folder.resolve())})
        at = lambda seconds: start + int(1000 * seconds)
        metrics = [Metric(allowed(name), value, at(seconds), epoch) for name, points in run.curves.items() for epoch, value, seconds in points]
        metrics += [Metric(allowed("steps/" + name), value, at(seconds), index) for index, figures, seconds in run.steps for name, value in figures.items()]
        metrics += [Metric(allowed(name), value, at(run.seconds), 0) for name, value in run.figures.items()]
        params = [Param(allowed(name), str(value)[:LONGEST_VALUE]) for name, value in run.parameters.items()]
        for begin in range(0, max(len(metrics), len(params)), 100):  # a batch holds 1000 metrics and 100 parameters at most
            client.log_batch(made.info.run_id, metrics=metrics[begin:begin + 100], params=params[begin:begin + 100], tags=[RunTag("dscompress", "run")])
        for file in run.files:
            client.log_artifact(made.info.run_id, str(file))
        client.set_terminated(made.info.run_id, "FINISHED" if run.passed else "FAILED", at(run.seconds))
        print(f"{run.folder}: {run.name}, {len(metrics)} points, run {made.info.run_id}")


if __name__ == "__main__":
    main()
