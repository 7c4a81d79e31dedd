// Archives for scripts/zoo_roundtrip.py, which compares them in Python: any archive rewritten, and the fixtures with edits
// as passes make them.
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "io/files.h"
#include "io/pt2.h"

namespace dsc {
namespace {

TEST(RoundTrip, RewritesTheArchiveNamedInTheEnvironment) {
  const char* from = std::getenv("DSCOMPRESS_ROUNDTRIP_FROM");
  const char* to = std::getenv("DSCOMPRESS_ROUNDTRIP_TO");
  if (!from || !to) GTEST_SKIP() << "DSCOMPRESS_ROUNDTRIP_FROM and DSCOMPRESS_ROUNDTRIP_TO are not set";
  write_pt2(read_pt2(from), to);
}

// calls.pt2 without its third argument: y = x + pair[0] * 2.
Model without_an_input() {
  auto model = read_pt2(fixture("calls.pt2"));
  auto& graph = model.graph;
  const auto* removed = graph.find_value("pair_1");
  auto* minus = removed->uses().at(0).node;
  graph.replace_uses(minus->output(), minus->find_value("self"));
  graph.erase(minus);
  graph.remove_input(removed);
  return model;
}

// tiny.pt2 with one class less, a rectified second output, and a convolution that leaves out its bias.
Model with_another_head() {
  auto model = read_pt2(fixture("tiny.pt2"));
  auto& graph = model.graph;
  auto* linear = graph.nodes().back();
  for (const std::string name : {"linear.weight", "linear.bias"}) {
    model.weights.set(name, model.weights.get(name).slice(0, 0, 1));
    auto type = graph.find_weight(name)->tensor();
    type.sizes[0] = {1, {}};
    type.strides.clear();
    graph.set_type(graph.find_weight(name), type);
  }
  auto type = linear->output()->tensor();
  type.sizes[1] = {1, {}};
  type.strides.clear();
  graph.set_type(linear->output(), type);
  auto* relu = graph.insert(nullptr, "aten.relu.default", {{"self", linear->output()}}, {{"positive", type}});
  graph.add_output(OutputKind::user, relu->output());
  auto* conv = graph.find_node("conv2d");
  std::vector<NamedArgument> arguments;
  for (const auto& argument : conv->arguments()) {
    if (argument.name != "bias") arguments.push_back(argument);
  }
  graph.set_arguments(conv, arguments);
  return model;
}

// regions.pt2 with a multiplication by one inside its innermost region.
Model with_a_node_in_a_region() {
  auto model = read_pt2(fixture("regions.pt2"));
  auto& graph = model.graph;
  auto* matmul = graph.find_node("matmul");
  auto type = matmul->output()->tensor();
  type.strides.clear();
  auto* next = graph.nodes().back();
  for (auto* node : graph.nodes()) {
    if (graph.is_before(matmul, node)) {
      next = node;
      break;
    }
  }
  auto* scaled = graph.insert(next, "aten.mul.Tensor", {{"self", matmul->output()}, {"other", std::int64_t{1}}}, {{"scaled", type}});
  graph.copy_origin(scaled, matmul);
  graph.replace_uses(matmul->output(), scaled->output());
  graph.set_argument(scaled, "self", matmul->output());
  return model;
}

TEST(RoundTrip, WritesEditedArchivesIntoTheFolderNamedInTheEnvironment) {
  const TemporaryFolder temporary;
  const char* named = std::getenv("DSCOMPRESS_EDITED_FOLDER");
  const auto folder = named ? std::string(named) : temporary.file("");
  write_pt2(without_an_input(), folder + "/calls.pt2");
  write_pt2(with_another_head(), folder + "/tiny.pt2");
  write_pt2(with_a_node_in_a_region(), folder + "/regions.pt2");
  for (const std::string name : {"calls", "tiny", "regions"}) EXPECT_GT(read_pt2(folder + "/" + name + ".pt2").graph.node_count(), 0u);
}

}  // namespace
}  // namespace dsc
