"""Run folders as trackers of experiments want them: parameters, points of curves, figures, files (to_mlflow.py, to_wandb.py)."""
import dataclasses
import json
import math
import pathlib
import sys


@dataclasses.dataclass
class TrackedRun:
    folder: pathlib.Path
    name: str
    started_at: str  # ISO 8601
    seconds: float
    passed: bool
    parameters: dict
    curves: dict  # "train/train_loss" -> [(epoch that it ends, value, seconds since the run began)]
    steps: list  # [(place in the recipe, {figure: value}, seconds since the run began)]
    figures: dict  # of the result
    files: list


def finite(values):
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


def read_run(folder):
    report = json.loads((folder / "report.json").read_text())
    curves, steps, begin = {}, [], 0.0
    for step in report["steps"]:
        for curve in step["curves"]:
            times = curve.get("seconds") or [step["seconds"]] * len(curve["values"])
            points = zip(curve["epochs"], curve["values"], times, strict=True)
            curves[f"{step['name']}/{curve['name']}"] = [(math.ceil(epoch), value, begin + time) for epoch, value, time in points if value is not None and math.isfinite(value)]
        begin += step["seconds"]
        steps.append((step["index"], finite({**step["metrics"], **{key: step[key] for key in ("macs", "parameters", "size_bytes")}}), begin))
    figures = dict(steps[-1][1]) if steps else {}
    for deployed in report["deployed"][:1]:
        figures.update(finite({f"deployed/{metric}": value for metric, value in deployed["metrics"].items()}))
    for record in report["latency"]:
        figures[f"latency_p50_ms/{record['model']}/{record['engine']}/batch {record['batch']}"] = record["p50_ms"]
    parameters = {key: report[key] for key in ("recipe", "model", "seed", "threads", "device", "tool_version", "machine", "status")}
    parameters.update({override["path"]: override["value"] for override in report["overrides"]})
    files = [folder / name for name in ("report.json", "report.html", "report.md", "recipe.resolved.yaml", "curves.csv") if (folder / name).exists()]
    return TrackedRun(folder, report["name"], report["started_at"], report["seconds"], report["status"] == "passed", parameters, curves, steps, figures, files)


def read_runs(paths):
    """Of run folders, and of all trials below sweeps' folders."""
    runs = []
    for path in map(pathlib.Path, paths):
        reports = [path / "report.json"] if (path / "report.json").exists() else sorted((path / "trials").rglob("report.json"))
        # A run's steps keep small reports of their own.
        reports = [report for report in reports if (report.parent / "recipe.resolved.yaml").exists()]
        if not reports:
            sys.exit(f"{path}: there is no run in this folder, nor a sweep with one")
        for report in reports:
            run = read_run(report.parent)
            if report.parent != path:
                run.name += "/" + report.parent.relative_to(path / "trials").as_posix()
            runs.append(run)
    return runs
