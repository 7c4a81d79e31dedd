// low_rank: replaces a linear layer or convolution by two thinner ones, from the singular values of its weight.
//
//   before  %y = aten.linear(%x, W[o, i], b)          after  %z = aten.linear(%x, V[r, i])
//                                                            %y = aten.linear(%z, U[o, r], b)
//
// A convolution becomes one with r output channels and the same kernel, and one of kernel 1. W ~ U V with the smallest
// squared error for that rank (Eckart & Young 1936); each factor takes the square root of the singular values. Exact at full
// rank. Leaves alone: grouped and transposed convolutions, weights that several operators read, layers that would not get
// cheaper. Order: before quantisation; usually followed by `finetune`.
// Source: Denton et al. 2014 (arXiv:1404.0736); energy as in Yang et al. 2020 (arXiv:2004.09031).
#include <ATen/core/Tensor.h>
#include <ATen/ops/linalg_svd.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
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
  std::optional<double> energy, macs, rank;
  std::vector<std::string> only, skip;
  std::int64_t round_to = 1, min_rank = 1;
  bool allow_empty = false;

  void fields(FieldVisitor& visit) {
    visit("energy", energy, {.text = "Share of the squared singular values that each layer keeps.", .unit = "fraction", .minimum = 0.01, .maximum = 1});
    visit("macs", macs, {.text = "Share of the model's multiply-accumulates that goes; all layers keep the same energy.", .unit = "fraction", .minimum = 0, .maximum = 0.99});
    visit("rank", rank, {.text = "Share of its full rank that each layer keeps, cheaper or not.", .unit = "fraction", .minimum = 0.001, .maximum = 1});
    visit("only", only, {.text = "Module globs of the layers to factorise; empty: all."});
    visit("skip", skip, {.text = "Module globs of layers to leave alone."});
    visit("round_to", round_to, {.text = "Ranks are a multiple of this.", .minimum = 1, .maximum = 1024});
    visit("min_rank", min_rank, {.text = "Ranks are at least this.", .minimum = 1});
    visit("allow_empty", allow_empty, {.text = "Accept patterns that match nothing and no layer that gets cheaper."});
    visit.one_of("low_rank", {{"energy", energy.has_value()}, {"macs", macs.has_value()}, {"rank", rank.has_value()}});
  }
};

struct Layer {
  Node* node = nullptr;
  std::string weight;
  double macs = 0;
  std::int64_t outputs = 0, inputs = 0;  // inputs: columns of the weight as a matrix
  std::vector<double> values;            // singular, descending; empty until needed
  std::int64_t full() const { return std::min(outputs, inputs); }
  double macs_at(std::int64_t rank) const {
    return macs * static_cast<double>(rank) * static_cast<double>(inputs + outputs) / static_cast<double>(inputs * outputs);
  }
};

bool is_factorisable(const Node& node) { return plain_op(node) == "aten.linear" || is_dense_convolution(node); }

std::vector<Layer> find_layers(const Model& model, const Options& options) {
  std::map<const Node*, double> macs;
  for (const NodeCost& cost : node_costs(model)) macs[cost.node] = cost.macs;
  std::vector<Layer> layers;
  for (Node* node : model.graph.nodes()) {
    if (!is_factorisable(*node) || !is_selected(place_of(*node), options.only, options.skip)) continue;
    std::string weight = own_parameter(model.graph, node->find_value("weight"));
    if (weight.empty()) continue;
    const at::Tensor& tensor = model.weights.get(weight);
    layers.push_back({node, weight, macs[node], tensor.size(0), tensor.numel() / tensor.size(0), {}});
  }
  return layers;
}

at::Tensor as_matrix(const at::Tensor& weight) { return weight.detach().to(at::kCPU, at::kDouble).reshape({weight.size(0), -1}); }

void decompose(const Model& model, Layer& layer) {
  at::Tensor values = std::get<1>(at::linalg_svd(as_matrix(model.weights.get(layer.weight)), false)).contiguous();
  layer.values.assign(values.data_ptr<double>(), values.data_ptr<double>() + values.numel());
}

std::int64_t rounded(const Layer& layer, std::int64_t rank, const Options& options) {
  rank = std::max({rank, options.min_rank, std::int64_t{1}});
  return std::min(layer.full(), (rank + options.round_to - 1) / options.round_to * options.round_to);
}

// The smallest rank that keeps this share of the squared singular values.
std::int64_t rank_for(const Layer& layer, double energy, const Options& options) {
  double total = 0, sum = 0;
  for (double value : layer.values) total += value * value;
  std::int64_t rank = 0;
  while (rank < layer.full() && sum < energy * total * (1 - 1e-12)) {
    double value = layer.values[static_cast<std::size_t>(rank++)];
    sum += value * value;
  }
  return rounded(layer, rank, options);
}

// Ranks by layer; 0: leave alone, it would not get cheaper.
std::vector<std::int64_t> ranks_for_energy(const std::vector<Layer>& layers, double energy, const Options& options) {
  std::vector<std::int64_t> ranks;
  for (const Layer& layer : layers) {
    std::int64_t rank = rank_for(layer, energy, options);
    ranks.push_back(layer.macs_at(rank) < layer.macs ? rank : 0);
  }
  return ranks;
}

double macs_after(const std::vector<Layer>& layers, const std::vector<std::int64_t>& ranks, double total) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (ranks[i] > 0) total += layers[i].macs_at(ranks[i]) - layers[i].macs;
  }
  return total;
}

// errors: recipe, when rank 1 everywhere is not enough.
std::vector<std::int64_t> choose_ranks(const std::vector<Layer>& layers, double total_macs, const Options& options) {
  if (options.energy) return ranks_for_energy(layers, *options.energy, options);
  std::vector<std::int64_t> ranks;
  if (options.rank) {
    for (const Layer& layer : layers) {
      ranks.push_back(rounded(layer, std::llround(*options.rank * static_cast<double>(layer.full())), options));
    }
    return ranks;
  }
  double target = total_macs * (1 - *options.macs), low = 0, high = 1;  // energies
  if (macs_after(layers, ranks_for_energy(layers, low, options), total_macs) > target) {
    throw Error(ErrorCode::recipe,
                printed("a reduction of %.3f cannot be reached by factorising: at most %.3f", *options.macs,
                        1 - macs_after(layers, ranks_for_energy(layers, low, options), total_macs) / total_macs),
                {.pointer = "/macs"}, "lower `macs`, min_rank or round_to, or name more layers");
  }
  for (int i = 0; i < 40; ++i) {
    double middle = (low + high) / 2;
    (macs_after(layers, ranks_for_energy(layers, middle, options), total_macs) <= target ? low : high) = middle;
  }
  return ranks_for_energy(layers, low, options);
}

// Both factors with the shapes of weights: first [r, ...inputs], second [o, r, 1...].
std::pair<at::Tensor, at::Tensor> factors_of(const at::Tensor& weight, std::int64_t rank) {
  auto [u, s, v] = at::linalg_svd(as_matrix(weight), false);
  at::Tensor root = s.narrow(0, 0, rank).sqrt();
  std::vector<std::int64_t> first(weight.sizes().begin(), weight.sizes().end()), second(static_cast<std::size_t>(weight.dim()), 1);
  first[0] = second[1] = rank;
  second[0] = weight.size(0);
  return {(v.narrow(0, 0, rank) * root.unsqueeze(1)).reshape(first).to(weight.scalar_type()),
          (u.narrow(1, 0, rank) * root).reshape(second).to(weight.scalar_type())};
}

void replace(Model& model, const Layer& layer, std::int64_t rank) {
  Graph& graph = model.graph;
  Node* node = layer.node;
  Value* old = node->find_value("weight");
  auto [first, second] = factors_of(model.weights.get(layer.weight), rank);
  const std::string stem = layer.weight.ends_with(".weight") ? layer.weight.substr(0, layer.weight.size() - 7) : layer.weight;
  Value* v = add_parameter(model, stem + ".0.weight", first, old);
  Value* u = add_parameter(model, stem + ".1.weight", second, old);
  std::vector<NamedArgument> arguments = node->arguments();
  for (NamedArgument& argument : arguments) {
    if (argument.name == "weight") argument.value = v;
    if (argument.name == "bias") argument.value = NoneArgument{};
  }
  Inserter insert(graph, node);
  Value* thin = insert.tensor(node->target(), std::move(arguments), node->output()->tensor().dtype);
  Value* bias = node->find_value("bias");
  graph.set_arguments(node, {{"input", thin}, {"weight", u}, {"bias", bias ? Argument(bias) : Argument(NoneArgument{})}});
  graph.remove_input(old);
  model.weights.erase(layer.weight);
}

std::vector<Problem> check(const Model& model, const Options& options) {
  if (options.allow_empty) return {};
  std::vector<std::string> places;
  for (const Layer& layer : find_layers(model, {})) places.push_back(place_of(*layer.node));
  std::vector<Problem> problems = check_patterns(options.only, "only", places);
  for (Problem& problem : check_patterns(options.skip, "skip", places)) problems.push_back(std::move(problem));
  return problems;
}

PassResult run(Model& model, const Options& options, PassContext& context) {
  std::vector<Layer> layers = find_layers(model, options);
  for (Layer& layer : layers) {
    context.check_cancelled();
    if (!options.rank) decompose(model, layer);
  }
  const Cost before = model_cost(model);
  std::vector<std::int64_t> ranks = choose_ranks(layers, before.macs, options);
  PassResult result;
  Table table{"factorised", {"layer", "full rank", "rank", "MACs", "MACs after"}, {}};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (ranks[i] == 0) continue;
    table.rows.push_back({place_of(*layers[i].node), std::to_string(layers[i].full()), std::to_string(ranks[i]),
                          printed("%.0f", layers[i].macs), printed("%.0f", layers[i].macs_at(ranks[i]))});
    replace(model, layers[i], ranks[i]);
  }
  result.changed = !table.rows.empty();
  if (result.changed) refresh(model);
  if (!result.changed && !options.allow_empty) {
    throw Error(ErrorCode::recipe, "no layer gets cheaper by factorising it", {}, "keep less energy, or set allow_empty: true");
  }
  result.statistics = statistics_of("layers_factorised", table.rows.size(), before, model_cost(model));
  result.tables.push_back(std::move(table));
  return result;
}

}  // namespace

PassInfo make_restructure_low_rank() {
  return make_pass<Options>({.id = "low_rank",
                             .summary = "Factorises linear layers and convolutions by their singular values.",
                             .changes = {Change::weights, Change::structure},
                             .check = check},
                            run);
}

}  // namespace dsc
