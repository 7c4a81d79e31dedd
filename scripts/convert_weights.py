#!/usr/bin/env python3
"""Converts a state dictionary that torch.save wrote into a .safetensors file for `model.weights`.

    scripts/convert_weights.py model.pth model.safetensors [--key state_dict] [--strip module.]

Only tensors are read (weights_only): no code of the file runs. A dictionary inside, such as `state_dict` or `model` of a
training checkpoint, is found by itself when it is the only one with tensors; else --key names it.
"""
import argparse
import sys

import torch
from safetensors.torch import save_file


def tensors_in(value):
    return isinstance(value, dict) and bool(value) and all(isinstance(v, torch.Tensor) for v in value.values())


def find_state(content, key):
    if key:
        for part in key.split("."):
            if not isinstance(content, dict) or part not in content:
                sys.exit(f"error: the file has no `{key}`")
            content = content[part]
        return content
    if tensors_in(content):
        return content
    inside = {k: v for k, v in content.items() if tensors_in(v)} if isinstance(content, dict) else {}
    if len(inside) == 1:
        return next(iter(inside.values()))
    names = ", ".join(inside) or (", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__)
    sys.exit(f"error: the file is not one state dictionary; name one with --key: {names}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("out")
    parser.add_argument("--key", help="the state dictionary inside, e.g. state_dict or ema.model")
    parser.add_argument("--strip", default="", help="a prefix to take off all names, e.g. module. of DataParallel")
    options = parser.parse_args()
    try:
        content = torch.load(options.source, map_location="cpu", weights_only=True)
    except Exception as error:  # its kinds are many: unpickling, zip, types that are not allowed
        sys.exit(f"error: {options.source} cannot be read as tensors alone: {error}")
    state = find_state(content, options.key)
    if not tensors_in(state):
        sys.exit("error: that is no dictionary of tensors")
    # Tied and strided tensors become tensors of their own, as the format wants them.
    save_file({k.removeprefix(options.strip): v.detach().contiguous().clone() for k, v in state.items()}, options.out)
    print(f"{options.out}: {len(state)} tensors")


if __name__ == "__main__":
    main()
