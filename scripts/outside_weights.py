"""Exports of checkpoints whose weights stay where they are: the program holds one element for each weight, and which tensors of the checkpoint the
weight is made of."""
import contextlib
import json
import pathlib
import re
import struct

RECORD = "weights_from.json"


class SourceError(Exception):
    """What the checkpoint has no tensor for, or in a form that is not known here."""


@contextlib.contextmanager
def hollow_parameters():
    """Parameters made meanwhile are one element seen as many, and are not initialised: no memory, whatever their size. Buffers are real."""
    import torch
    from transformers.initialization import no_init_weights

    register = torch.nn.Module.register_parameter

    def register_hollow(module, name, parameter):
        if parameter is not None:
            parameter = torch.nn.Parameter(parameter.detach().new_zeros(()).expand(parameter.shape), requires_grad=parameter.requires_grad)
        register(module, name, parameter)

    torch.nn.Module.register_parameter = register_hollow
    try:
        with no_init_weights():
            yield
    finally:
        torch.nn.Module.register_parameter = register


def make_hollow(cls, config):
    with hollow_parameters():
        module = cls._from_config(config)
    module.tie_weights()
    return module


def names_in(folder):
    """Of all tensors of the checkpoint, from its headers."""
    files = sorted(pathlib.Path(folder).glob("*.safetensors"))
    if not files:
        raise SourceError(f"{folder} holds no .safetensors file")
    names = []
    for path in files:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            names += [name for name in json.loads(file.read(size)) if name != "__metadata__"]
    return names


def in_numeric_order(names):
    return sorted(names, key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)])


def sources_of(module, folder):
    """Each entry of the state dictionary with the tensor that it is, or with those that are joined along their first dimension and then stacked:
    {"lm_head.weight": "lm_head.weight", "mlp.experts.gate_up_proj": [["mlp.experts.0.gate_proj.weight", "mlp.experts.0.up_proj.weight"], ...]}."""
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import Concatenate, MergeModulelist, WeightConverter, rename_source_key

    state, transforms = module.state_dict(), get_model_conversion_mapping(module)
    converters = [transform for transform in transforms if isinstance(transform, WeightConverter)]
    renamings = [transform for transform in transforms if not isinstance(transform, WeightConverter)]
    found = {}
    for name in names_in(folder):
        if not name.endswith("_scale_inv"):
            target, pattern = rename_source_key(name, renamings, converters, module.base_model_prefix, state)
            found.setdefault(target, {}).setdefault(pattern, []).append(name)
    tied = {id(tensor): name for name, tensor in module.state_dict(keep_vars=True).items() if name in found}
    sources, missing = {}, []
    for target, tensor in module.state_dict(keep_vars=True).items():
        parts = found.get(target) or found.get(tied.get(id(tensor)))
        if not parts:
            missing.append(target)
        elif list(parts) == [None]:
            sources[target] = parts[None][0]
        else:
            converter = next(c for c in converters if set(parts) <= set(c.source_patterns))
            kinds = [type(operation) for operation in converter.operations]
            stacks = converter.operations and kinds[0] is MergeModulelist and converter.operations[0].dim == 0
            joins = kinds[1:] == [Concatenate] and converter.operations[1].dim == 1
            if not stacks or not (joins or len(kinds) == 1):
                raise SourceError(f"`{target}` is made of {', '.join(converter.source_patterns)} in a way that only Transformers knows: leave out --no-weights")
            lists = [in_numeric_order(parts.get(pattern, [])) for pattern in converter.source_patterns]
            sources[target] = [list(piece) for piece in zip(*lists, strict=True)]
    if missing:
        raise SourceError("the checkpoint has no tensor for " + ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else ""))
    return sources


def record_of(module, folder):
    """Text of the file beside the program."""
    quantization = getattr(module.config, "quantization_config", None) or {}
    quantization = quantization if isinstance(quantization, dict) else quantization.to_dict()
    rows, columns = quantization.get("weight_block_size") or (128, 128)
    return json.dumps({"block_rows": rows, "block_columns": columns, "sources": sources_of(module, folder)})
