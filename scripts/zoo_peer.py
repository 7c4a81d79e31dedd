"""torch-pruning on the models of the zoo: its plain magnitude pruner, with example inputs and the last layer to leave alone."""
import time

import torch
from torch import nn


def last_layer(module, arguments):
    """The linear or convolution layer that runs last."""
    seen = []
    hooks = [layer.register_forward_hook(lambda layer, *_: seen.append(layer)) for layer in module.modules()
             if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d))]
    with torch.no_grad():
        module(*arguments)
    for hook in hooks:
        hook.remove()
    return seen[-1:]


def cut(module, arguments, share, importance, ignored):
    import torch_pruning

    torch_pruning.pruner.MagnitudePruner(module, arguments, importance=importance, pruning_ratio=share, ignored_layers=ignored).step()


def prune(module, arguments, share, report):
    import torch_pruning

    def count():
        return sum(parameter.numel() for parameter in module.parameters())

    before = count()
    cut(module, arguments, share, torch_pruning.importance.MagnitudeImportance(p=1), last_layer(module, arguments))
    report["reduction"] = round(1 - count() / before, 4)


def time_cut(module, arguments, share):
    """Milliseconds to build the dependency graph and prune; random importance, so that scores cost nothing."""
    import torch_pruning

    importance, ignored = torch_pruning.importance.RandomImportance(), last_layer(module, arguments)
    start = time.perf_counter()
    cut(module, arguments, share, importance, ignored)
    return (time.perf_counter() - start) * 1e3
