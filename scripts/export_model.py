#!/usr/bin/env python3
"""Exports a PyTorch model as the .pt2 program that dscompress reads.

MODEL is one of
  torchvision:NAME            torchvision:resnet50
  timm:NAME                   timm:mobilenetv3_small_100
  transformers:FOLDER         a local checkpoint folder; --class chooses the head
  transformers:CLASS          untrained, sizes by --set: transformers:LlamaForCausalLM
  FILE.py:FACTORY             a function without required arguments (or a class) that gives an nn.Module
  MODULE:FACTORY              the same, from an importable module

Inputs are known for torchvision, timm (one image) and transformers (input_ids, attention_mask, or pixel_values). For own
models give --input once per argument, or let the module have a method example_inputs() that returns a tuple.

Examples
  scripts/export_model.py torchvision:resnet18 --out resnet18.pt2 --weights resnet18.safetensors
  scripts/export_model.py torchvision:resnet18 --pretrained --out resnet18.pt2
  scripts/export_model.py timm:vit_tiny_patch16_224 --out vit.pt2 --reference vit.reference.safetensors
  scripts/export_model.py torchvision:fcn_resnet50 --out fcn.pt2 --image 128x128 --dynamic batch,height,width
  scripts/export_model.py transformers:checkpoints/minilm --class BertForSequenceClassification --set num_labels=2 \\
      --out minilm.pt2 --tokenizer
  scripts/export_model.py transformers:checkpoints/mixtral --dynamic batch,sequence --out mixtral.pt2 --experts batched_mm
  scripts/export_model.py transformers:checkpoints/DeepSeek-V3 --no-weights --dynamic batch,sequence --out deepseek.pt2
  scripts/export_model.py models.py:TinyNet --set width=32 --input x=2x3x32x32 --out tiny.pt2

The result depends only on the model, the options and --seed. torch, and the library named by MODEL, must be installed.
"""
import argparse
import ast
import importlib
import importlib.util
import inspect
import pathlib
import re
import sys
import types
import warnings

AXES = {"tokens": {"batch": 0, "sequence": 1}, "image": {"batch": 0, "height": 2, "width": 3}}


class ExportError(Exception):
    """What went wrong, and what to type instead."""


def import_torchvision():
    """As it is installed. Beside a torch that its compiled operators were not made for, two of its modules cannot load, which
    no classification model needs; it then comes without them."""
    try:
        return importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        raise ExportError(f"{error}: run scripts/setup zoo, and this script with .venv/bin/python") from error
    except (ImportError, OSError, RuntimeError, AttributeError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
    for name in ("_meta_registrations", "_autograd_registrations"):
        sys.modules["torchvision." + name] = types.ModuleType("torchvision." + name)
    return importlib.import_module("torchvision")


# --- making the module ---


def make_pretrained(make, source):
    """`make` may download weights."""
    try:
        return make()
    except (OSError, RuntimeError, ValueError) as error:
        raise ExportError(f"no pretrained weights for {source}: {error}\ngive a file with --weights, or leave out --pretrained for random ones") from error


def make_module(source, class_name, settings, pretrained=False, hollow=False):
    """The nn.Module that MODEL names, and its kind: image, tokens or own."""
    library, _, name = source.rpartition(":")
    if not library:
        raise ExportError(f"`{source}` names no source: write torchvision:{source}, timm:{source}, transformers:{source} or file.py:{source}")
    if hollow and (library != "transformers" or not pathlib.Path(name).is_dir()):
        raise ExportError("--no-weights is for transformers:FOLDER, a checkpoint on disk that has them")
    if library == "torchvision":
        models = import_torchvision().models
        if name not in models.list_models():
            raise ExportError(f"torchvision has no model `{name}`{nearest(name, models.list_models())}")
        if pretrained:
            return make_pretrained(lambda: models.get_model(name, weights="DEFAULT", **settings), source), "image"
        return models.get_model(name, weights=None, **settings), "image"
    if library == "timm":
        import_torchvision()
        import timm

        if name not in timm.list_models():
            raise ExportError(f"timm has no model `{name}`{nearest(name, timm.list_models())}")
        if pretrained:
            return make_pretrained(lambda: timm.create_model(name, pretrained=True, **settings), source), "image"
        return timm.create_model(name, pretrained=False, **settings), "image"
    if pretrained:
        raise ExportError("--pretrained is for torchvision and timm: a checkpoint folder brings its weights, other models take --weights")
    if library == "transformers":
        module = make_transformer(name, class_name, settings, hollow)
        return module, "tokens" if module.main_input_name == "input_ids" else "image"
    return load_factory(library, name)(**settings), "own"


def make_transformer(name, class_name, settings, hollow):
    import_torchvision()
    import transformers

    folder = pathlib.Path(name)
    if folder.is_dir():
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, **settings)
        class_name = class_name or (config.architectures or ["AutoModel"])[0]
        if hollow:
            return outside_weights().make_hollow(class_of(transformers, class_name), config)
        return class_of(transformers, class_name).from_pretrained(folder, config=config, local_files_only=True)
    cls = class_of(transformers, class_name or name)
    if getattr(cls, "config_class", None) is None:
        raise ExportError(f"`{name}` is no folder, and without one the class must be a concrete one such as BertForSequenceClassification")
    return cls(cls.config_class(**settings))


def outside_weights():
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    return importlib.import_module("outside_weights")


def can_choose_experts(module):
    return getattr(module, "_can_set_experts_implementation", lambda: False)()


def choose_experts(module, form):
    """How a mixture of experts multiplies: of Transformers' forms `eager` loops over what was chosen, which no exported program can."""
    if can_choose_experts(module):
        module.set_experts_implementation(form or "batched_mm")
    elif form:
        raise ExportError(f"--experts {form}: this model has no experts whose form can be chosen; leave the option out")


def class_of(transformers, name):
    if not hasattr(transformers, name):
        raise ExportError(f"transformers has no class `{name}`{nearest(name, dir(transformers))}")
    return getattr(transformers, name)


def load_factory(place, name):
    if place.endswith(".py"):
        path = pathlib.Path(place)
        if not path.is_file():
            raise ExportError(f"{place} does not exist")
        sys.path.insert(0, str(path.parent.resolve()))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
    else:
        sys.path.insert(0, "")
        try:
            module = importlib.import_module(place)
        except ModuleNotFoundError as error:
            raise ExportError(f"cannot import `{place}`: {error}") from error
    if not hasattr(module, name):
        raise ExportError(f"{place} has no `{name}`{nearest(name, dir(module))}")
    return getattr(module, name)


def nearest(wrong, names):
    import difflib

    close = difflib.get_close_matches(wrong, list(names), n=3)
    return ": did you mean " + " or ".join(close) + "?" if close else ""


def load_weights(module, path):
    """From .safetensors, or from a state dictionary that torch.save wrote."""
    import torch

    path = pathlib.Path(path)
    if not path.is_file():
        raise ExportError(f"{path} does not exist")
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        state = load_file(path)
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
        state = state.get("state_dict", state) if isinstance(state, dict) else state
    try:
        missing, unexpected = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ExportError(f"{path} does not fit the model\n{error}") from error
    own = module.state_dict()
    loaded = {tensor.data_ptr() for name, tensor in own.items() if name in state}
    missing = [name for name in missing if own[name].data_ptr() not in loaded]  # tied weights need one name
    if missing or unexpected:
        lines = [f"  missing in the file: {name}{nearest(name, unexpected)}" for name in missing]
        lines += [f"  unknown to the model: {name}" for name in unexpected]
        raise ExportError(f"{path} does not fit the model\n" + "\n".join(lines))


# --- inputs ---


def parse_input(text):
    """x=2x3x32x32, ids=2x16:int64<1000 (values below 1000)."""
    import torch

    match = re.fullmatch(r"(\w+)=(\d+(?:x\d+)*)(?::(\w+))?(?:<(\d+))?", text)
    if not match:
        raise ExportError(f"--input {text}: expected NAME=SIZExSIZE..., optionally :TYPE and <LIMIT, such as x=2x3x32x32 or ids=2x16:int64<1000")
    name, sizes, type_name, limit = match.groups()
    sizes = [int(size) for size in sizes.split("x")]
    dtype = getattr(torch, type_name or "float32", None)
    if not isinstance(dtype, torch.dtype):
        raise ExportError(f"--input {text}: torch has no type `{type_name}`")
    if dtype == torch.bool:
        return name, torch.rand(sizes) < 0.5
    return name, torch.randn(sizes, dtype=dtype) if dtype.is_floating_point else torch.randint(int(limit or 2), sizes, dtype=dtype)


def example_inputs(module, kind, options):
    """Argument names with example tensors, in the order of forward()."""
    import torch

    if options.input:
        return dict(parse_input(text) for text in options.input)
    if kind == "own":
        if not hasattr(module, "example_inputs"):
            raise ExportError("give --input NAME=SIZES for each argument, or a method example_inputs() to the module")
        values = module.example_inputs()
        if isinstance(values, dict):
            return values
        return dict(zip(inspect.signature(module.forward).parameters, values))
    if kind == "image":
        name = getattr(module, "main_input_name", None) or next(iter(inspect.signature(module.forward).parameters))
        return {name: torch.randn(2, *image_size(module, options))}
    ids = torch.randint(1, module.config.vocab_size, (2, options.sequence))
    values = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
    for name in options.arguments:
        if name not in values:
            raise ExportError(f"--arguments: `{name}` is none of {', '.join(values)}; use --input for others")
    return {name: values[name] for name in options.arguments}


def image_size(module, options):
    channels, height, width = 3, 224, 224
    config = getattr(module, "default_cfg", None) or {}
    if config.get("input_size"):
        channels, height, width = config["input_size"]
    config = getattr(module, "config", None)
    if isinstance(getattr(config, "image_size", None), int):
        channels, height, width = getattr(config, "num_channels", 3), config.image_size, config.image_size
    if options.image:
        height, width = (int(size) for size in options.image.split("x"))
    return channels, height, width


def dynamic_shapes(values, kind, axes):
    """Which dimensions may change; for own models `x.0` names dimension 0 of argument x, and `batch` all first ones."""
    from torch.export import Dim

    shapes = {}
    for name, value in values.items():
        shapes[name] = {}
        for axis in axes:
            argument, _, number = axis.rpartition(".")
            if argument == name and number.isdigit():
                shapes[name][int(number)] = Dim.AUTO
            elif axis == "batch":
                shapes[name][0] = Dim.AUTO
            elif kind in AXES and axis in AXES[kind] and AXES[kind][axis] < value.dim():
                shapes[name][AXES[kind][axis]] = Dim.AUTO
    known = {"batch"} | set(AXES.get(kind, ())) | {f"{name}.{i}" for name, value in values.items() for i in range(value.dim())}
    for axis in axes:
        if axis not in known:
            raise ExportError(f"--dynamic {axis}: known here are {', '.join(sorted(known))}")
    return shapes


# --- the export ---


def return_tensors(module, names, wanted):
    """Lets forward() take the named arguments by position and return plain tensors instead of a transformers output class."""
    forward = module.forward

    def plain_forward(*args):
        result = forward(**dict(zip(names, args)), return_dict=True)
        if wanted:
            absent = [name for name in wanted if name not in result]
            if absent:
                raise ExportError(f"--outputs {','.join(absent)}: the model returns {', '.join(result)}")
            chosen = tuple(result[name] for name in wanted)
            return chosen[0] if len(chosen) == 1 else chosen
        return result["logits"] if "logits" in result else result[0]

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    plain_forward.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    module.forward = plain_forward


def without_folders(program):
    """Source lines keep the path inside a package or project, not where that lies on this machine."""
    import torch

    for graph_module in program.graph_module.modules():
        if isinstance(graph_module, torch.fx.GraphModule):
            for node in graph_module.graph.nodes:
                if "stack_trace" in node.meta:
                    trace = re.sub(r'File "[^"]*/(?:site|dist)-packages/', 'File "', node.meta["stack_trace"])
                    node.meta["stack_trace"] = re.sub(r'File "/[^"]*/', 'File "', trace)


def check_dynamic(program, shapes):
    """Dim.AUTO lets a dimension become fixed without a word; whoever asked for it should know."""
    from torch.fx.experimental.symbolic_shapes import is_concrete_int

    placeholders = {node.name: node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder" and hasattr(node.meta["val"], "shape")}
    fixed = [f"{name}.{axis} ({int(placeholders[name][axis])})" for name, axes in shapes.items() if name in placeholders
             for axis in axes if is_concrete_int(placeholders[name][axis])]
    if fixed:
        raise ExportError("the model's code fixes dimensions that were to be dynamic: " + ", ".join(fixed) +
                          "\nleave them out of --dynamic, or change the code that compares or stores these sizes")


def export(module, values, shapes):
    """The exported program of `module` for example arguments by name."""
    import torch

    if hasattr(module, "config") and hasattr(module.config, "use_cache"):
        module.config.use_cache = False
    module.eval()
    with torch.no_grad(), warnings.catch_warnings(), real_pairs():
        warnings.simplefilter("ignore")
        try:
            program = torch.export.export(module, tuple(values.values()), dynamic_shapes=shapes, strict=False)
        except torch.fx.experimental.symbolic_shapes.GuardOnDataDependentSymNode as error:
            line = str(error).strip().partition("\n")[0]
            remedy = "mixtures of experts export with --experts batched_mm" if can_choose_experts(module) else \
                "no exported program can: change that code, for experts into a look-up of their matrices for each row and one batched product"
            raise ExportError(f"the model's code decides by values that only a run knows: {line}\n{remedy}") from error
    check_dynamic(program, shapes)
    without_folders(program)
    return program


def real_pairs():
    """While this mode is on, complex tensors are real ones with a last dimension of two: rotary embeddings by `polar` and
    `view_as_complex` then export as products and sums, which every engine has."""
    import torch

    def mark(tensor):
        tensor.is_real_pair = True
        return tensor

    def is_pair(value):
        return isinstance(value, torch.Tensor) and getattr(value, "is_real_pair", False)

    def times(a, b):
        (ar, ai), (br, bi) = a.unbind(-1), b.unbind(-1)
        return torch.stack((ar * br - ai * bi, ar * bi + ai * br), -1)

    class RealPairs(torch.overrides.TorchFunctionMode):
        moving = (torch.Tensor.to, torch.Tensor.unsqueeze, torch.unsqueeze, torch.Tensor.contiguous)

        def __torch_function__(self, function, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            if function is torch.polar:
                size, angle = args
                return mark(torch.stack((size * torch.cos(angle), size * torch.sin(angle)), -1))
            if function is torch.view_as_complex:
                return mark(args[0].view_as(args[0]))
            if not any(is_pair(argument) for argument in args):
                return function(*args, **kwargs)
            if function is torch.view_as_real:
                return args[0].view_as(args[0])
            if function in (torch.Tensor.mul, torch.mul, torch.Tensor.__mul__, torch.Tensor.__rmul__):
                return mark(times(*args) if all(is_pair(argument) for argument in args) else function(*args, **kwargs))
            if function is torch.Tensor.unsqueeze and args[1] < 0:
                return mark(function(args[0], args[1] - 1))
            result = function(*args, **kwargs)
            return mark(result) if function in self.moving else result

    return RealPairs()


def write_reference(program, values, path):
    """Inputs as input.NAME and outputs as output.N, for comparing other engines."""
    import torch
    from safetensors.torch import save_file

    with torch.no_grad():
        outputs = torch.utils._pytree.tree_leaves(program.module()(*values.values()))
    tensors = {f"input.{name}": value for name, value in values.items()}
    tensors |= {f"output.{i}": value for i, value in enumerate(outputs) if isinstance(value, torch.Tensor)}
    save_file({name: value.contiguous().clone() for name, value in tensors.items()}, path)


def parse_settings(texts):
    settings = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise ExportError(f"--set {text}: expected NAME=VALUE")
        try:
            settings[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            settings[name] = value
    return settings


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", help="where the model comes from, see above")
    parser.add_argument("--out", required=True, metavar="FILE.pt2", type=pathlib.Path)
    parser.add_argument("--pretrained", action="store_true", help="ask torchvision or timm for its weights, kept where that library keeps them (torchvision: $TORCH_HOME, timm: $HF_HOME)")
    parser.add_argument("--no-weights", action="store_true", help="of transformers:FOLDER: the weights stay in FOLDER, of any size, and are named at the run (model.weights)")
    parser.add_argument("--weights", metavar="FILE", help=".safetensors, or a state dictionary of torch.save")
    parser.add_argument("--class", dest="class_name", metavar="NAME", help="transformers class, such as BertForSequenceClassification")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="argument of the factory or field of the configuration")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=SIZES[:TYPE][<LIMIT]", help="an example argument: x=2x3x32x32, ids=2x16:int64<1000")
    parser.add_argument("--arguments", default="input_ids,attention_mask", metavar="NAMES", type=lambda text: text.split(","), help="of a text model")
    parser.add_argument("--outputs", default="", metavar="NAMES", type=lambda text: [name for name in text.split(",") if name],
                        help="fields of a transformers output to return (default: logits, or the first)")
    parser.add_argument("--dynamic", default="batch", metavar="AXES", type=lambda text: [axis for axis in text.split(",") if axis],
                        help="batch, sequence, height, width, or NAME.DIMENSION; empty: none (default: batch)")
    parser.add_argument("--experts", choices=["batched_mm", "grouped_mm", "eager"],
                        help="form of a mixture of experts (default: batched_mm, which always exports; grouped_mm does for bf16 weights)")
    parser.add_argument("--image", metavar="HxW", help="example image size (default: the model's own, or 224x224)")
    parser.add_argument("--sequence", type=int, default=16, help="example sequence length (default: 16)")
    parser.add_argument("--seed", type=int, default=0, help="of untrained weights and examples (default: 0)")
    parser.add_argument("--reference", metavar="FILE.safetensors", help="write example inputs and outputs there")
    parser.add_argument("--tokenizer", action="store_true", help="convert the checkpoint's tokenizer to OUT.tokenizer.xml")
    return parser.parse_args(arguments)


def files_beside(module, options):
    if not options.no_weights:
        return None
    outside = outside_weights()
    try:
        return {outside.RECORD: outside.record_of(module, options.model.partition(":")[2])}
    except outside.SourceError as error:
        raise ExportError(str(error)) from error


def run(options):
    if options.no_weights and (options.weights or options.pretrained or options.reference):
        raise ExportError("--no-weights takes none, so that nothing can be computed: leave out --weights, --pretrained and --reference")
    if options.out.suffix != ".pt2":
        raise ExportError(f"--out {options.out}: the name must end in .pt2")
    import torch

    torch.manual_seed(options.seed)
    module, kind = make_module(options.model, options.class_name, parse_settings(options.set), options.pretrained, options.no_weights)
    if not isinstance(module, torch.nn.Module):
        raise ExportError(f"`{options.model}` gives a {type(module).__name__}, not an nn.Module")
    if options.weights:
        load_weights(module, options.weights)
    if options.model.startswith("transformers:") or options.experts:
        choose_experts(module, options.experts)
    torch.manual_seed(options.seed)
    values = example_inputs(module, kind, options)
    if options.model.startswith("transformers:"):
        return_tensors(module, list(values), options.outputs)
    program = export(module, values, dynamic_shapes(values, kind, options.dynamic))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        if options.no_weights:
            warnings.simplefilter("ignore")  # that one element is no complete tensor
        torch.export.save(program, options.out, extra_files=files_beside(module, options))
    print(f"{options.out}: {sum(p.numel() for p in module.parameters()):,} parameters, {len(program.graph.nodes)} nodes, "
          + ", ".join(f"{name}{list(value.shape)}" for name, value in values.items()))
    if options.reference:
        write_reference(program, values, options.reference)
        print(options.reference)
    if options.tokenizer:
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
        from export_tokenizer import convert

        target = options.out.with_suffix(".tokenizer.xml")
        convert(options.model.partition(":")[2], target)
        print(target)


def main():
    try:
        run(parse_arguments())
    except ExportError as error:
        sys.exit(f"export_model.py: {error}")


if __name__ == "__main__":
    main()
