#!/usr/bin/env python3
"""Puts finished runs into Weights & Biases' files: settings as config, curves and figures as metrics, reports as files.

    pip install wandb
    scripts/to_wandb.py out [out2 ...] [--dir wandb-runs] [--project NAME]
    wandb sync wandb-runs/wandb/offline-run-*        # when you want them on a server

Folders are those of runs or of sweeps. Works offline: nothing is sent.
"""
import argparse
import pathlib
import sys

from tracked_runs import read_runs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--dir", default=".")
    parser.add_argument("--project", default="dscompress")
    options = parser.parse_args()
    try:
        import wandb
    except ImportError:
        sys.exit("Weights & Biases is not installed: pip install wandb")
    pathlib.Path(options.dir).mkdir(parents=True, exist_ok=True)
    for run in read_runs(options.folders):
        made = wandb.init(project=options.project, name=run.name, config={**run.parameters, "folder": str(run.folder.resolve())}, dir=options.dir, mode="offline",
                          reinit="finish_previous", settings=wandb.Settings(silent=True))
        # Every step has an axis of its own: epochs begin again with each training.
        axes = {name.partition("/")[0] for name in run.curves}
        for axis in axes:
            made.define_metric(f"{axis}/epoch")
            made.define_metric(f"{axis}/*", step_metric=f"{axis}/epoch")
        made.define_metric("steps/index")
        made.define_metric("steps/*", step_metric="steps/index")
        for axis in sorted(axes):
            curves = {name: points for name, points in run.curves.items() if name.partition("/")[0] == axis}
            for epoch in sorted({epoch for points in curves.values() for epoch, _, _ in points}):
                values = {name: value for name, points in curves.items() for at, value, _ in points if at == epoch}
                made.log({f"{axis}/epoch": epoch, **values})
        for index, figures, _ in run.steps:
            made.log({"steps/index": index, **{"steps/" + name: value for name, value in figures.items()}})
        made.summary.update(run.figures)
        for file in run.files:
            made.save(str(file.resolve()), base_path=str(run.folder.resolve()), policy="now")
        points = sum(map(len, run.curves.values()))
        made.finish(exit_code=0 if run.passed else 1)
        print(f"{run.folder}: {run.name}, {points} points of curves")


if __name__ == "__main__":
    main()
