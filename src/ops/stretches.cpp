#include "ops/stretches.h"

#include <algorithm>
#include <set>

#include "ir/copy_part.h"
#include "ops/blocks.h"
#include "ops/quantization.h"
#include "ops/reads.h"
#include "ops/writes.h"

namespace dsc {
namespace {

// Behind the nodes for which `is_end` says so.
template <class IsEnd>
Stretches split_nodes(const Graph& graph, IsEnd is_end) {
  Stretches stretches;
  const auto nodes = graph.nodes();
  stretches.all.emplace_back();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    stretches.all.back().nodes.push_back(nodes[i]);
    stretches.places.emplace(nodes[i], stretches.all.size() - 1);
    if (is_end(nodes[i]) && i + 1 < nodes.size()) stretches.all.emplace_back();
  }
  return stretches;
}

// Sizes, and what is quantised: an engine computes a layer in integers where it finds the quantiser in front of it.
bool is_calculated_again(const Value& value) { return !value.is_tensor() || is_fake_quantize(*value.producer()); }

// What the stretch reads from outside. Nodes that calculate again what an earlier stretch has are put before its own.
void find_takes(const std::unordered_set<const Value*>& weights, Stretch& stretch) {
  std::unordered_set<const Node*> inside(stretch.nodes.begin(), stretch.nodes.end());
  std::unordered_set<const Value*> seen;
  std::vector<Node*> todo = stretch.nodes, further;
  for (std::size_t i = 0; i < todo.size(); ++i) {
    for (Value* value : values_read(*todo[i])) {
      Node* producer = value->producer();
      if (weights.contains(value) || (producer && inside.contains(producer))) continue;
      if (!producer || !is_calculated_again(*value)) {
        if (seen.insert(value).second) stretch.takes.push_back(value);
        continue;
      }
      inside.insert(producer);
      further.push_back(producer);
      todo.push_back(producer);
    }
  }
  stretch.nodes.insert(stretch.nodes.begin(), further.begin(), further.end());
}

void order_nodes(const Graph& graph, std::vector<Stretch>& stretches) {
  std::unordered_map<const Node*, std::size_t> positions;
  for (const Node* node : graph.nodes()) positions.emplace(node, positions.size());
  for (Stretch& stretch : stretches) {
    std::sort(stretch.nodes.begin(), stretch.nodes.end(), [&](const Node* a, const Node* b) { return positions.at(a) < positions.at(b); });
  }
}

void connect(const Graph& graph, Stretches& stretches) {
  std::unordered_set<const Value*> weights, given;
  for (const GraphInput& input : graph.inputs()) {
    if (input.value && input.is_weight()) weights.insert(input.value);
  }
  for (Stretch& stretch : stretches.all) find_takes(weights, stretch);
  order_nodes(graph, stretches.all);
  for (const Stretch& stretch : stretches.all) {
    for (Value* value : stretch.takes) {
      if (value->producer() && given.insert(value).second) stretches.all[stretches.places.at(value->producer())].gives.push_back(value);
    }
  }
}

bool writes_into_takes(const Graph& graph, const Stretch& stretch) {
  const Graph part = graph_of(graph, stretch);
  const auto written = written_inputs(part);
  return std::any_of(written.begin(), written.end(), [&](const Value* value) { return part.find_input(value)->kind == InputKind::user; });
}

}  // namespace

Stretches uncut(const Graph& graph) {
  Stretches whole = split_nodes(graph, [](const Node*) { return false; });
  connect(graph, whole);
  return whole;
}

Stretches cut_at_blocks(const Graph& graph) {
  std::unordered_set<const Node*> ends;
  for (const Block& block : find_blocks(graph)) {
    if (block.output && block.output->producer()) ends.insert(block.output->producer());
  }
  if (ends.empty() || !state_inputs(graph).empty()) return uncut(graph);
  Stretches cut = cut_behind(graph, ends);
  return writes_across(graph, cut) ? uncut(graph) : cut;
}

Stretches cut_behind(const Graph& graph, const std::unordered_set<const Node*>& ends) {
  Stretches cut = split_nodes(graph, [&](const Node* node) { return ends.contains(node); });
  connect(graph, cut);
  return cut;
}

bool writes_across(const Graph& graph, const Stretches& cut) {
  return std::any_of(cut.all.begin() + 1, cut.all.end(), [&](const Stretch& stretch) { return writes_into_takes(graph, stretch); });
}

Graph graph_of(const Graph& graph, const Stretch& stretch) {
  const std::unordered_set<const Node*> nodes(stretch.nodes.begin(), stretch.nodes.end());
  std::unordered_set<const Value*> read;
  for (const Node* node : stretch.nodes) {
    for (const Value* value : values_read(*node)) read.insert(value);
  }
  std::vector<GraphOutput> outputs;
  for (Value* value : stretch.gives) outputs.push_back({OutputKind::user, value, {}});
  return copy_part(graph, [&](const GraphInput& input) { return input.value && input.is_weight() && read.contains(input.value); },
                   [&](const Node& node) { return nodes.contains(&node); }, outputs, stretch.takes);
}

}  // namespace dsc
