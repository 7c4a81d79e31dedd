// The graph's text form: prints, parses, and prints the same again. Holds everything of the graph (not the tensors).
//
//   graph {
//     region autocast("cpu", bf16, true, None) "submod_1"             the region r0; `in r0` puts a region inside it
//     param  %p_conv1_weight "conv1.weight": f32[16, 3, 3, 3]
//     buffer %b_bn1_running_mean "bn1.running_mean": f32[16]         `non_persistent` at the end where it is
//     input  %x: f32[s77{2}, 3, 32, 32]
//     literal "causal" = true
//     %sym_size: sym_int s77{2} = aten.sym_size.int(self=%x, dim=0)
//     %conv2d: f32[s77{2}, 16, 32, 32] = aten.conv2d.default(input=%x, weight=%p_conv1_weight, bias=None) @conv1 in r0
//     [%a: f32[2], %b: f32[2]] = aten.split.Tensor(self=%y, split_size=2)    a list output; without [ ] several outputs
//     _ = aten._assert_async.msg(self=%ok, assert_msg:="not ok")             no output
//     output %linear
//     mutate_buffer "bn1.num_batches_tracked" = %add
//   }
//
// Dimensions: `4`, or an expression with the example's value: `s77{2}`, quoted where it holds other signs than + - * / %.
// Arguments: `name=value` positional, `name:=value` keyword. Values: %x, None, 1, 1.5 (also inf, nan), true, "text", f32,
// channels_last, strided, device(cuda:0), complex(1.0, 2.0), and lists of one kind; a list whose kind its elements do not
// tell says it: ints[], floats[], bools[], strings[], tensors[].
// After a node: `@module.path`, `in rN` (region), `name "x"` where it is not the first output's, {"key": "text"} metadata.
// Names and paths with other signs than letters, digits, `_` and `.` stand in quotes. `#` starts a comment.
#pragma once

#include <string>
#include <string_view>

#include "dscompress/graph.h"

namespace dsc {

struct PrintOptions {
  bool metadata = true;  // strides, devices, module stacks and source lines too: complete; without: for reading
};
std::string print_graph(const Graph& graph, PrintOptions options = {});
// errors: model_file, with line and column and what was expected.
Graph parse_graph(std::string_view text, const std::string& file = "<text>");

}  // namespace dsc
