#!/usr/bin/env python3
"""Optuna's samplers for `dscompress sweep`, on JSON lines; the program carries this text and runs it with python3.

in : {"op": "open", "sampler": "tpe", "seed": 0, "directions": ["maximize"], "space": {"cut": {"float": [0.2, 0.8], "log": false}, "bits": {"index": 3, "ordered": true}}}
     {"op": "ask"}                                        out: {"trial": 7, "params": {"cut": 0.41, "bits": 2}}
     {"op": "tell", "trial": 7, "values": [0.91]}         or without values: it failed, or was no trial
     {"op": "tell", ..., "violated": 1}                   so many constraints are not met
out: {"ok": true} or {"error": "..."}

Everything is in memory: the same asks and tells in the same order give the same answers, so that whoever asks repeats them to
go on with a sweep.
"""
import json
import sys
import warnings

warnings.filterwarnings("ignore")


def constraints_of(trial):
    return trial.user_attrs.get("violated", [0.0])


def make_sampler(name, seed, objectives):
    from optuna import samplers

    if name == "tpe":
        return samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True, constraints_func=constraints_of)
    if name == "nsga2":
        return samplers.NSGAIISampler(seed=seed, population_size=16, constraints_func=constraints_of)
    if name == "gp":
        return samplers.GPSampler(seed=seed, constraints_func=constraints_of)
    if objectives > 1:
        raise ValueError("cmaes has one objective; use nsga2, tpe or gp for several")
    return samplers.CmaEsSampler(seed=seed)


def distribution(axis):
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if "float" in axis:
        return FloatDistribution(*axis["float"], log=axis["log"])
    # CMA-ES and TPE make use of an order.
    return IntDistribution(0, axis["index"] - 1) if axis["ordered"] else CategoricalDistribution(list(range(axis["index"])))


class Sampler:
    def open(self, question):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space = {name: distribution(axis) for name, axis in question["space"].items()}
        sampler = make_sampler(question["sampler"], question["seed"], len(question["directions"]))
        self.study = optuna.create_study(sampler=sampler, directions=question["directions"])
        self.trials = {}
        return {"optuna": optuna.__version__}

    def ask(self, question):
        trial = self.study.ask(self.space)
        self.trials[trial.number] = trial
        return {"trial": trial.number, "params": trial.params}

    def tell(self, question):
        import optuna

        trial = self.trials.pop(question["trial"])
        trial.set_user_attr("violated", [float(question.get("violated", 0))])
        if "values" in question:
            self.study.tell(trial, question["values"])
        else:
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return {"ok": True}


def main():
    sampler = Sampler()
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = {"open": sampler.open, "ask": sampler.ask, "tell": sampler.tell}[question["op"]](question)
        except ModuleNotFoundError as error:
            answer = {"error": f"{sys.executable} has no module {error.name}", "missing": error.name}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
