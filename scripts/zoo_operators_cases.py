"""PyTorch's own test databases as exported programs: operators (op_db), modules (module_db), torch.export's examples.

A case is a name such as `op_db.nn.functional.pad.circular.1` (the last number counts samples); make_case builds it again from the
name alone, so that worker processes need nothing else.
"""
import itertools
import warnings

import torch
from torch import nn
from torch.utils import _pytree as pytree

LOOKED_AT = 40  # samples of an operator among which some are chosen


def databases():
    """Imported late: it takes seconds, and reading results needs none of it."""
    from torch._export.db.examples import all_examples
    from torch.testing._internal.common_methods_invocations import op_db
    from torch.testing._internal.common_modules import module_db

    return op_db, module_db, all_examples()


class Call(nn.Module):
    """Calls an operator or a module with the tensors that it is given; all other arguments are fixed."""

    def __init__(self, call, args, kwargs):
        super().__init__()
        self.call = call
        self.leaves, self.structure = pytree.tree_flatten((tuple(args), dict(kwargs)))
        self.tensors = tuple(leaf.detach() for leaf in self.leaves if isinstance(leaf, torch.Tensor))
        self.leaves = [Call if isinstance(leaf, torch.Tensor) else leaf for leaf in self.leaves]

    def forward(self, *tensors):
        rest = iter(tensors)
        leaves = [next(rest) if leaf is Call else leaf for leaf in self.leaves]
        args, kwargs = pytree.tree_unflatten(leaves, self.structure)
        result = self.call(*args, **kwargs)
        return tuple(result) if isinstance(result, tuple) else result  # archives hold no torch.return_types


def spread(samples, count):
    """`count` of the samples, from the first to the last of them."""
    samples = list(itertools.islice(samples, LOOKED_AT))
    if len(samples) <= count:
        return list(enumerate(samples))
    return [(i, samples[i]) for i in sorted({round(k * (len(samples) - 1) / max(1, count - 1)) for k in range(count)})]


def type_of_samples(info):
    types = info.dtypes
    return next((dtype for dtype in (torch.float32, torch.int64, torch.bool, torch.complex64) if dtype in types), torch.float32)


def operator_samples(info):
    torch.manual_seed(0)
    return info.sample_inputs("cpu", type_of_samples(info), requires_grad=False)


def module_samples(info):
    torch.manual_seed(0)
    return info.module_inputs_func(info, "cpu", torch.float32, requires_grad=False, training=False)


def operator_name(info):
    return info.name + ("." + info.variant_test_name if info.variant_test_name else "")


def list_cases(count):
    """All names, `count` samples an operator or module. What gives no samples is left out."""
    op_db, module_db, examples = databases()
    names = [f"export_db.{case.name}.0" for case in examples.values()]
    sources = [("module_db", module_db, lambda info: info.name, module_samples), ("op_db", op_db, operator_name, operator_samples)]
    for prefix, infos, name_of, samples_of in sources:
        for info in infos:
            try:
                chosen = spread(samples_of(info), count)
            except Exception as error:  # a sample function that needs what this machine lacks
                warnings.warn(f"{name_of(info)} has no samples: {error}")
                continue
            names += [f"{prefix}.{name_of(info).replace('/', '_')}.{i}" for i, _ in chosen]
    return names


_infos = {}


def find_info(database, name):
    if not _infos:
        op_db, module_db, examples = databases()
        _infos.update({("op_db", operator_name(info).replace("/", "_")): info for info in op_db})
        _infos.update({("module_db", info.name.replace("/", "_")): info for info in module_db})
        _infos.update({("export_db", case.name): case for case in examples.values()})
    return _infos[(database, name)]


def make_case(name):
    """(module, positional arguments, keyword arguments, further arguments of torch.export.export)"""
    database, rest = name.split(".", 1)
    name, index = rest.rsplit(".", 1)
    info = find_info(database, name)
    if database == "export_db":
        return info.model, info.example_args, info.example_kwargs, {"dynamic_shapes": info.dynamic_shapes}
    samples = operator_samples(info) if database == "op_db" else module_samples(info)
    sample = next(itertools.islice(samples, int(index), None))
    if database == "op_db":
        call = Call(info.op, (sample.input, *sample.args), sample.kwargs)
    else:
        make, given = sample.constructor_input, sample.forward_input
        torch.manual_seed(1)
        call = Call(info.module_cls(*make.args, **make.kwargs), given.args, given.kwargs)
    return call, call.tensors, {}, {}


def copies(values):
    """With their strides: what runs on them may write into them."""
    return pytree.tree_map_only(torch.Tensor, lambda t: t.detach().clone(memory_format=torch.preserve_format), values)


def run(module, args, kwargs, seed=0):
    torch.manual_seed(seed)
    with torch.no_grad():
        return pytree.tree_leaves(module(*copies(args), **copies(kwargs)))


def same(a, b):
    """Bit for bit, NaN like NaN; what is no tensor by ==."""
    if not isinstance(a, torch.Tensor) or not isinstance(b, torch.Tensor):
        return type(a) is type(b) and (a == b or a != a)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.is_complex():
        return same(torch.view_as_real(a.resolve_conj()), torch.view_as_real(b.resolve_conj()))
    return torch.equal(a, b) or (a.is_floating_point() and torch.equal(a.isnan(), b.isnan()) and torch.equal(a[~a.isnan()], b[~b.isnan()]))


def export_case(name, path):
    """Writes path.pt2 and path.pt: {inputs, outputs, random}, the outputs being those of the program that was read back."""
    module, args, kwargs, options = make_case(name)
    module.eval()
    args, kwargs = copies(args), copies(kwargs or {})
    if options.get("dynamic_shapes") is None:
        options = {}
    try:
        program = torch.export.export(module, args, kwargs, strict=False, **options)
    except Exception:
        if not name.startswith("export_db"):
            raise
        program = torch.export.export(module, args, kwargs, strict=True, **options)
    torch.export.save(program, path + ".pt2")
    module = torch.export.load(path + ".pt2").module()
    outputs = run(module, args, kwargs)
    again = run(module, args, kwargs, seed=1)
    torch.save({
        "args": args, "kwargs": kwargs, "outputs": outputs,
        "random": not all(map(same, outputs, again)),
    }, path + ".pt")
