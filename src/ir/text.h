// The graph's text form: prints, parses, and prints the same again. Holds everything of the graph (not the tensors).
//
//   graph {
//     param  %p_conv1_weight "conv1.weight": f32[16, 3, 3, 3]
//     buffer %b_bn1_running_mean "bn1.running_mean": f32[16]
//     input  %x: f32[s77{2}, 3, 32, 32]
//     %conv2d: f32[s77{2}, 16, 32, 32] = aten.conv2d.default(input=%x, weight=%p_conv1_weight, bias=None, stride=[1, 1]) @conv1
//     output %linear
//   }
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
