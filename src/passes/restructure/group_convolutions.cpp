// group_convolutions: replaces dense k x k convolutions by grouped ones.
//
//   before  %y = aten.conv2d(%x, w[o, i, k, k])         after  %y = aten.conv2d(%x, w[o, i/g, k, k], groups=g)
//
// Weights start as the dense ones' blocks. With `reorder`, channels are first assigned to groups so that the blocks hold as
// much of the squared weight as a local search finds; where that is not the order they are in, an index_select before and
// after the convolution sorts them. Equal to the original where the weights outside the blocks are zero. Leaves alone:
// kernels of one element, convolutions grouped already, channel counts that the groups do not divide, weights that several
// operators read. Usually followed by `finetune`. Source: Xie et al. 2017 (arXiv:1611.05431); assignment in the spirit of
// Zhao & Luk 2019 (arXiv:1902.05902).
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

#include "core/printed.h"
#include "dscompress/pass.h"
#include "ops/arguments.h"
#include "ops/cost.h"
#include "ops/insert.h"
#include "ops/parameters.h"
#include "ops/weight_channels.h"
#include "passes/restructure/rewrite.h"

namespace dsc {
namespace {

using namespace restructure;

struct Options {
  std::int64_t groups = 2;
  bool reorder = true;
  std::vector<std::string> only, skip;
  bool allow_empty = false;

  void fields(FieldVisitor& visit) {
    visit("groups", groups, {.text = "Groups of each convolution.", .minimum = 2, .maximum = 4096});
    visit("reorder", reorder, {.text = "Assign channels to groups by their weights; otherwise neighbours share a group."});
    visit("only", only, {.text = "Module globs of the convolutions to replace; empty: all."});
    visit("skip", skip, {.text = "Module globs of convolutions to leave alone."});
    visit("allow_empty", allow_empty, {.text = "Accept patterns that match nothing and no convolution that can be replaced."});
  }
};

std::vector<Node*> find_convolutions(const Model& model, const Options& options) {
  std::vector<Node*> nodes;
  for (Node* node : model.graph.nodes()) {
    if (!is_dense_convolution(*node)) continue;
    std::string weight = own_parameter(model.graph, node->find_value("weight"));
    if (weight.empty() || !is_selected(place_of(*node), options.only, options.skip)) continue;
    const at::Tensor& tensor = model.weights.get(weight);
    bool divides = tensor.size(0) % options.groups == 0 && tensor.size(1) % options.groups == 0;
    if (divides && tensor.numel() > tensor.size(0) * tensor.size(1)) nodes.push_back(node);
  }
  return nodes;
}

using Assignment = std::vector<std::int64_t>;  // group by channel

Assignment neighbours(std::int64_t channels, std::int64_t groups) {
  Assignment group(static_cast<std::size_t>(channels));
  for (std::int64_t c = 0; c < channels; ++c) group[static_cast<std::size_t>(c)] = c * groups / channels;
  return group;
}

// Gives each row of `gain` [channels, groups] a group, equally many to each, the largest gains first.
Assignment assign(const at::Tensor& gain) {
  auto channels = gain.size(0), groups = gain.size(1);
  std::vector<std::tuple<double, std::int64_t, std::int64_t>> pairs;
  const double* data = gain.const_data_ptr<double>();
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t g = 0; g < groups; ++g) pairs.emplace_back(-data[c * groups + g], c, g);
  }
  std::ranges::sort(pairs);
  Assignment group(static_cast<std::size_t>(channels), -1);
  std::vector<std::int64_t> room(static_cast<std::size_t>(groups), channels / groups);
  for (const auto& [negative, c, g] : pairs) {
    std::int64_t& left = room[static_cast<std::size_t>(g)];
    if (group[static_cast<std::size_t>(c)] >= 0 || left == 0) continue;
    group[static_cast<std::size_t>(c)] = g;
    --left;
  }
  return group;
}

// [channels, groups], 1 where a channel is in a group.
at::Tensor indicator(const Assignment& group, std::int64_t groups) {
  at::Tensor one = at::zeros({static_cast<std::int64_t>(group.size()), groups}, at::kDouble);
  for (std::size_t c = 0; c < group.size(); ++c) one.data_ptr<double>()[static_cast<std::int64_t>(c) * groups + group[c]] = 1;
  return one;
}

struct Blocks {
  Assignment outputs, inputs;
  double kept = 0;  // share of the squared weight
};

// energy [o, i]: squared weights. Assigns outputs and inputs in turn for as long as the blocks gain.
Blocks find_blocks(const at::Tensor& energy, std::int64_t groups, bool reorder) {
  Blocks best{neighbours(energy.size(0), groups), neighbours(energy.size(1), groups)};
  auto kept = [&](const Blocks& blocks) {
    at::Tensor inside = indicator(blocks.outputs, groups).matmul(indicator(blocks.inputs, groups).t());
    double total = energy.sum().item<double>();
    return total > 0 ? (energy * inside).sum().item<double>() / total : 1.0;
  };
  best.kept = kept(best);
  if (!reorder) return best;
  // Starts: the order as it is, and the inputs that each of a few outputs reads most.
  std::vector<Assignment> starts{best.inputs};
  for (std::int64_t first = 0; first < std::min<std::int64_t>(4, energy.size(0)); ++first) {
    at::Tensor seeds = energy.narrow(0, first * energy.size(0) / 4 % energy.size(0), 1);
    at::Tensor likeness = energy.t().matmul(energy);  // inputs read by the same outputs
    std::vector<std::int64_t> rows{seeds.argmax().item<std::int64_t>()};
    while (static_cast<std::int64_t>(rows.size()) < groups) {  // the input least like those chosen
      rows.push_back(likeness.index_select(0, at::tensor(rows, at::kLong)).sum(0).index_fill(0, at::tensor(rows, at::kLong), 1e300).argmin().item<std::int64_t>());
    }
    starts.push_back(assign(likeness.index_select(1, at::tensor(rows, at::kLong)).contiguous()));
  }
  for (const Assignment& start : starts) {
    Blocks blocks{{}, start};
    double before = -1;
    for (int round = 0; round < 20; ++round) {
      blocks.outputs = assign(energy.matmul(indicator(blocks.inputs, groups)).contiguous());
      blocks.inputs = assign(energy.t().matmul(indicator(blocks.outputs, groups)).contiguous());
      blocks.kept = kept(blocks);
      if (blocks.kept <= before + 1e-12) break;
      before = blocks.kept;
    }
    if (blocks.kept > best.kept + 1e-12) best = blocks;
  }
  return best;
}

// Channels sorted by group, in their order within each.
std::vector<std::int64_t> sorted_channels(const Assignment& group) {
  std::vector<std::int64_t> order(group.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](std::int64_t c) { return group[static_cast<std::size_t>(c)]; });
  return order;
}

bool is_sorted_order(const std::vector<std::int64_t>& order) { return std::ranges::is_sorted(order); }

Value* add_indices(Model& model, const std::string& name, const std::vector<std::int64_t>& indices) {
  TensorType type{.dtype = ScalarType::i64, .sizes = {{static_cast<std::int64_t>(indices.size()), ""}}};
  std::string value_name = "b_" + name;
  std::ranges::replace(value_name, '.', '_');
  Value* value = model.graph.add_input(InputKind::buffer, model.graph.unique_name(value_name), name, std::move(type));
  model.weights.set(name, at::tensor(indices, at::kLong));
  return value;
}

// weight [o, i/g, ...]: rows in the order of `outputs`, each with its group's inputs.
at::Tensor grouped_weight(const at::Tensor& weight, const std::vector<std::int64_t>& outputs, const std::vector<std::int64_t>& inputs, std::int64_t groups) {
  at::Tensor sorted = weight.detach().index_select(0, at::tensor(outputs, at::kLong)).index_select(1, at::tensor(inputs, at::kLong));
  std::vector<at::Tensor> blocks;
  std::int64_t o = weight.size(0) / groups, i = weight.size(1) / groups;
  for (std::int64_t g = 0; g < groups; ++g) blocks.push_back(sorted.narrow(0, g * o, o).narrow(1, g * i, i));
  return at::cat(blocks, 0).contiguous();
}

// The convolution makes its channels in the order `outputs`; whoever reads them finds them where they were.
void restore_order(Model& model, Node* node, const std::string& stem, std::int64_t dim, const std::vector<std::int64_t>& outputs) {
  Graph& graph = model.graph;
  Value* bias = node->find_value("bias");
  const std::string bias_name = own_parameter(graph, bias);
  std::vector<std::int64_t> back(outputs.size());
  for (std::size_t k = 0; k < outputs.size(); ++k) back[static_cast<std::size_t>(outputs[k])] = static_cast<std::int64_t>(k);
  if (bias) {
    Value* permuted =
        add_parameter(model, bias_name.empty() ? stem + ".bias" : bias_name,
                      model.weights.get(graph.find_input(bias)->target).detach().index_select(0, at::tensor(outputs, at::kLong)), bias);
    graph.set_argument(node, "bias", permuted);
  }
  std::vector<Node*> nodes = graph.nodes();
  auto next = std::next(std::ranges::find(nodes, node));
  Node* select = graph.insert(next == nodes.end() ? nullptr : *next, "aten.index_select.default",
                              {{"self", node->output()}, {"dim", dim}, {"index", add_indices(model, stem + ".output_order", back)}}, {{"index_select", node->output()->type()}});
  graph.copy_origin(select, node);
  graph.replace_uses(node->output(), select->output());
  graph.set_argument(select, "self", node->output());
}

double replace(Model& model, Node* node, const Options& options) {
  Graph& graph = model.graph;
  Value* value = node->find_value("weight");
  const std::string name = own_parameter(graph, value);
  const at::Tensor weight = model.weights.get(name);
  at::Tensor energy = weight.detach().to(at::kDouble).square().flatten(2).sum(2);
  Blocks blocks = find_blocks(energy, options.groups, options.reorder);
  std::vector<std::int64_t> outputs = sorted_channels(blocks.outputs), inputs = sorted_channels(blocks.inputs);
  model.weights.set(name, grouped_weight(weight, outputs, inputs, options.groups));
  TensorType type = value->tensor();
  type.sizes[1] = {weight.size(1) / options.groups, ""};
  type.strides.clear();
  graph.set_type(value, type);
  const std::string stem = name.substr(0, name.rfind('.'));
  const std::int64_t dim = node->output()->tensor().rank() == weight.dim() ? 1 : 0;  // 0: without a batch
  if (!is_sorted_order(inputs)) {
    Value* sorted = Inserter(graph, node)
                        .tensor("aten.index_select.default",
                                {{"self", node->find_value("input")}, {"dim", dim}, {"index", add_indices(model, stem + ".input_order", inputs)}});
    graph.set_argument(node, "input", sorted);
  }
  if (!is_sorted_order(outputs)) restore_order(model, node, stem, dim, outputs);
  graph.set_argument(node, "groups", options.groups);
  return blocks.kept;
}

std::vector<Problem> check(const Model& model, const Options& options) {
  if (options.allow_empty) return {};
  std::vector<std::string> places;
  for (const Node* node : find_convolutions(model, {.groups = options.groups})) places.push_back(place_of(*node));
  std::vector<Problem> problems = check_patterns(options.only, "only", places);
  for (Problem& problem : check_patterns(options.skip, "skip", places)) problems.push_back(std::move(problem));
  if (problems.empty() && find_convolutions(model, options).empty()) {
    problems.push_back({"no convolution can be split into " + std::to_string(options.groups) + " groups",
                        {.pointer = "/groups"},
                        "choose a number that divides the channels, or set allow_empty: true"});
  }
  return problems;
}

PassResult run(Model& model, const Options& options, PassContext& context) {
  if (auto problems = check(model, options); !problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  const Cost before = model_cost(model);
  Table table{"grouped", {"convolution", "groups", "squared weight kept"}, {}};
  for (Node* node : find_convolutions(model, options)) {
    context.check_cancelled();
    const std::string place = place_of(*node);
    table.rows.push_back({place, std::to_string(options.groups), printed("%.4f", replace(model, node, options))});
  }
  PassResult result{.changed = !table.rows.empty()};
  for (const std::string& name : model.graph.erase_dead_code(true)) model.weights.erase(name);
  if (result.changed) refresh(model);
  result.statistics = statistics_of("convolutions_grouped", table.rows.size(), before, model_cost(model));
  result.tables.push_back(std::move(table));
  return result;
}

}  // namespace

PassInfo make_restructure_group_convolutions() {
  return make_pass<Options>({.id = "group_convolutions",
                             .summary = "Replaces dense k x k convolutions by grouped ones.",
                             .changes = {Change::weights, Change::structure},
                             .check = check},
                            run);
}

}  // namespace dsc
