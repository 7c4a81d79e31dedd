#!/usr/bin/env python3
"""ONNX from a .pt2 of dscompress: quantised parts become QuantizeLinear and DequantizeLinear, checked in ONNX Runtime.

    scripts/setup peers
    .venv/bin/python scripts/export_onnx.py small.pt2 small.onnx [--tolerance 0.01] [--kernel-tolerance 0.02]

The file is written only if ONNX Runtime gives the program's outputs: with its graph optimisations off (every operator as
it stands) and on (integer kernels), on the same seeded inputs. Both errors, root mean square relative to the output, are
printed. A value half-way between two steps may fall on the other side in another engine, so the errors allowed are those of
256 levels, and grow with the step where activations have fewer. Exit status: 0 written; 2 usage; 3 outputs differ; 4 an operator that torch.onnx cannot express.
"""
import argparse
import logging
import os
import pathlib
import sys
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import torch
import torch.ao.quantization.fx._decomposed  # defines quantized_decomposed

try:
    import numpy as np
    import onnx
    import onnxruntime
    from onnxscript import ir
    from onnxscript import opset18 as op
except ModuleNotFoundError as missing:
    sys.exit(f"error: there is no Python package `{missing.name}`\n  hint: scripts/setup peers")


class Failed(Exception):
    """An exit status and what to print."""


# --- operators that torch.onnx lacks, or takes without the range of few bits ---


def integer(number, dtype):
    return op.Constant(value=ir.tensor(np.array(number, ir.DataType(dtype).numpy())))


def quantize_per_tensor(x, scale: float, zero_point: int, quant_min: int, quant_max: int, dtype: int):
    integers = op.QuantizeLinear(x, scale, integer(zero_point, dtype))
    limits = np.iinfo(ir.DataType(dtype).numpy())
    if (quant_min, quant_max) == (limits.min, limits.max):
        return integers
    return op.Clip(integers, integer(quant_min, dtype), integer(quant_max, dtype))


def choose_qparams_per_token(x, dtype: int):
    scales = op.Div(op.Max(op.ReduceMax(op.Abs(x), op.Constant(value_ints=[-1]), keepdims=1), op.Constant(value_float=1e-5)), op.Constant(value_float=127.0))
    return scales, op.Mul(scales, op.Constant(value_float=0.0))


def quantize_per_token(x, scales, zero_points, quant_min: int, quant_max: int, dtype: int):
    whole = op.Round(op.Add(op.Mul(x, op.Reciprocal(scales)), zero_points))
    return op.Cast(op.Clip(whole, op.Constant(value_float=float(quant_min)), op.Constant(value_float=float(quant_max))), to=dtype)


def dequantize_per_token(x, scales, zero_points, quant_min: int, quant_max: int, dtype: int, output_dtype: int):
    return op.Mul(op.Sub(op.Cast(x, to=output_dtype), zero_points), scales)


TRANSLATIONS = {getattr(torch.ops.quantized_decomposed, f.__name__).default: f
                for f in (quantize_per_tensor, choose_qparams_per_token, quantize_per_token, dequantize_per_token)}


# --- the program and what it computes ---


def example_inputs(program):
    """Seeded inputs of the example's sizes: noise, small ids, masks of ones."""
    generator = torch.Generator().manual_seed(7)
    values = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    inputs = []
    for name in program.graph_signature.user_inputs:
        value = values[name]
        sizes = [int(size) if isinstance(size, int) else int(size.node.hint) for size in value.shape]
        if value.dtype.is_floating_point:
            inputs.append(torch.randn(sizes, generator=generator).to(value.dtype))
        elif "mask" in name or value.dtype == torch.bool:
            inputs.append(torch.ones(sizes, dtype=value.dtype))
        else:
            inputs.append(torch.randint(0, 10, sizes, generator=generator).to(value.dtype))
    return inputs


def tensors(result):
    return [t for t in torch.utils._pytree.tree_leaves(result) if isinstance(t, torch.Tensor)]


def translate(program, path):
    try:
        torch.onnx.export(program, f=str(path), dynamo=True, verbose=False, external_data=False, custom_translation_table=TRANSLATIONS)
    except torch.onnx.errors.OnnxExporterError as error:
        cause = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise Failed(4, f"torch.onnx cannot express this program: {str(cause).splitlines()[0] if str(cause) else type(cause).__name__}")


def run_in_runtime(path, inputs, optimised):
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimised else level.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {port.name: value.numpy() for port, value in zip(session.get_inputs(), inputs)})


def relative_error(found, expected):
    worst = 0.0
    for a, b in zip(found, expected):
        a, b = torch.from_numpy(np.asarray(a)).double(), b.double()
        if a.shape != b.shape:
            raise Failed(3, f"an output is {list(a.shape)} in ONNX Runtime and {list(b.shape)} in PyTorch")
        if a.numel():
            worst = max(worst, ((a - b).square().mean().sqrt() / b.square().mean().sqrt().clamp_min(1e-12)).item())
    return worst


def summary(path):
    """Nodes that quantise, nodes that dequantise, and weights stored as integers."""
    graph = onnx.load(str(path)).graph
    kinds = [node.op_type for node in graph.node]
    integers = {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}
    stored = {i.name for i in graph.initializer if i.data_type in integers and i.dims}
    read = {node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    return kinds.count("QuantizeLinear"), kinds.count("DequantizeLinear"), len(stored & read)


def step_size(program):
    """The coarsest step of activations, in steps of 8 bits."""
    quantize = torch.ops.quantized_decomposed.quantize_per_tensor.default
    levels = [node.args[4] - node.args[3] + 1 for node in program.graph.nodes if node.target is quantize]
    return 256 / min(levels, default=256)


def export(options):
    program = torch.export.load(options.model)
    inputs = example_inputs(program)
    with torch.no_grad():
        expected = tensors(program.module()(*inputs))
    out = pathlib.Path(options.out)
    partial = out.with_name(f".{out.name}.part{os.getpid()}")
    try:
        translate(program, partial)
        onnx.checker.check_model(str(partial))
        for optimised, tolerance in ((False, options.tolerance * step_size(program)), (True, options.kernel_tolerance * step_size(program))):
            error = relative_error(run_in_runtime(partial, inputs, optimised), expected)
            word = "its integer kernels" if optimised else "its operators one by one"
            print(f"ONNX Runtime, {word}: relative error {error:.2e} (allowed {tolerance:g})")
            if not error <= tolerance:
                raise Failed(3, f"outputs differ from the program's by {error:.3g}, allowed are {tolerance:g}; nothing is written")
        quantize, dequantize, stored = summary(partial)
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    print(f"{out}: {out.stat().st_size} bytes, {quantize} QuantizeLinear, {dequantize} DequantizeLinear, {stored} weights as integers")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a .pt2")
    parser.add_argument("out", help="the .onnx to write")
    parser.add_argument("--tolerance", type=float, default=1e-2)
    parser.add_argument("--kernel-tolerance", type=float, default=2e-2)
    options = parser.parse_args()
    if not pathlib.Path(options.model).is_file():
        sys.exit(f"error: there is no file {options.model}")
    try:
        export(options)
    except Failed as failed:
        status, message = failed.args
        print(f"error: {message}", file=sys.stderr)
        sys.exit(status)


if __name__ == "__main__":
    main()
