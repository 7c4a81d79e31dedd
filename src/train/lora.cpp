#include "train/lora.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/names.h"
#include "core/random.h"
#include "exec/executor.h"
#include "ops/arguments.h"
#include "ops/insert.h"
#include "ops/parameters.h"
#include "ops/weight_channels.h"

namespace dsc {
namespace {

bool is_linear(const Node& node) { return plain_op(node) == "aten.linear"; }

bool is_adaptable(const Node& node) { return is_linear(node) || is_dense_convolution(node); }

std::vector<Node*> find_layers(const Model& model, const LoraOptions& options) {
  std::vector<Node*> layers;
  for (Node* node : model.graph.nodes()) {
    if (!is_adaptable(*node) || own_parameter(model.graph, node->find_value("weight")).empty()) continue;
    const bool chosen = std::ranges::any_of(options.select, [&](const auto& glob) { return matches_glob(glob, place_of(*node)); });
    if (chosen) layers.push_back(node);
  }
  return layers;
}

at::Tensor uniform(const std::vector<std::int64_t>& sizes, double bound, std::uint64_t seed) {
  auto tensor = at::empty(sizes, at::kFloat);
  Random random(seed);
  for (std::int64_t i = 0; i < tensor.numel(); ++i) tensor.data_ptr<float>()[i] = static_cast<float>((2 * random.uniform() - 1) * bound);
  return tensor;
}

// B(A(x)) before the layer, added to its output after it.
void insert_branch(Graph& graph, Node* node, Value* a, Value* b, double scale) {
  const ScalarType dtype = node->output()->tensor().dtype;
  Inserter insert(graph, node);
  auto arguments = node->arguments();
  for (auto& argument : arguments) {
    if (argument.name == "weight") argument.value = a;
    if (argument.name == "bias") argument.value = NoneArgument{};
  }
  Value* thin = insert.tensor(node->target(), std::move(arguments), dtype);
  Value* wide = insert.tensor(node->target(), {{"input", thin}, {"weight", b}, {"bias", NoneArgument{}}}, dtype);
  Value* scaled = insert.tensor("aten.mul.Scalar", {{"self", wide}, {"other", scale}}, dtype);
  Node* sum = graph.insert(node_after(graph, node), "aten.add.Tensor", {{"self", scaled}, {"other", scaled}}, {{"adapted", node->output()->type()}});
  graph.copy_origin(sum, node);
  graph.replace_uses(node->output(), sum->output());
  graph.set_argument(sum, "self", node->output());
}

Adapter add_adapter(Model& model, Node* node, const LoraOptions& options, std::uint64_t seed) {
  Value* value = node->find_value("weight");
  const std::string weight = own_parameter(model.graph, value);
  const at::Tensor& tensor = model.weights.get(weight);
  auto first = tensor.sizes().vec(), second = std::vector<std::int64_t>(first.size(), 1);
  second[0] = first[0];
  first[0] = second[1] = options.rank;
  const double inputs = static_cast<double>(tensor.numel() / tensor.size(0));
  Value* a = add_parameter(model, weight + ".lora_a", uniform(first, 1 / std::sqrt(inputs), derive_seed(seed, weight)).to(tensor.scalar_type()), value);
  Value* b = add_parameter(model, weight + ".lora_b", at::zeros(second, tensor.scalar_type()), value);
  const double scale = options.alpha / static_cast<double>(options.rank);
  insert_branch(model.graph, node, a, b, scale);
  return {weight, model.graph.find_input(a)->target, model.graph.find_input(b)->target, scale};
}

}  // namespace

void LoraOptions::fields(FieldVisitor& visit) {
  visit("rank", rank, {.text = "Rank of the adapters.", .minimum = 1});
  visit("alpha", alpha, {.text = "Adapters are scaled by alpha / rank.", .minimum = 0});
  visit("select", select, {.text = "Module globs of the linear layers and convolutions that get one."});
  visit("also", also, {.text = "Module or parameter globs that train besides, such as a head."});
  visit.check(alpha == 0 ? "`alpha` 0 would switch the adapters off" : "");
}

std::vector<std::string> adaptable_weights(const Model& model, const LoraOptions& options) {
  std::vector<std::string> names;
  for (const Node* node : find_layers(model, options)) names.push_back(own_parameter(model.graph, node->find_value("weight")));
  return names;
}

std::vector<Adapter> add_adapters(Model& model, const LoraOptions& options, std::uint64_t seed) {
  std::vector<Adapter> adapters;
  for (Node* node : find_layers(model, options)) adapters.push_back(add_adapter(model, node, options, derive_seed(seed, "lora")));
  refresh_types(model, example_inputs(model, 0, 1));
  return adapters;
}

void fold_adapters(const Model& adapted, const std::vector<Adapter>& adapters, Model& model) {
  for (const auto& name : model.weights.names()) model.weights.set(name, adapted.weights.get(name));
  for (const auto& adapter : adapters) {
    const auto w = adapted.weights.get(adapter.weight).detach();
    const auto a = adapted.weights.get(adapter.a).detach().to(at::kDouble).flatten(1), b = adapted.weights.get(adapter.b).detach().to(at::kDouble).flatten(1);
    const auto sum = w.to(at::kDouble) + (at::matmul(b, a) * adapter.scale).reshape(w.sizes());
    model.weights.set(adapter.weight, sum.to(w.scalar_type()));
  }
}

TrainResult train_adapters(Model& model, const LoraOptions& lora, const TrainOptions& options, const Objective& objective,
                           TrainHooks hooks, PassContext& context) {
  Model adapted = model.clone();
  auto trained = select_parameters(adapted, lora.also);
  const auto adapters = add_adapters(adapted, lora, context.seed());
  for (const auto& adapter : adapters) trained.insert(trained.end(), {adapter.a, adapter.b});
  hooks.frozen = select_parameters(adapted, {"**"});
  std::erase_if(hooks.frozen, [&](const auto& name) { return std::ranges::find(trained, name) != trained.end(); });
  auto result = train(adapted, options, objective, hooks, context);
  if (!context.dry_run()) fold_adapters(adapted, adapters, model);
  return result;
}

std::vector<Problem> check_lora(const Model& model, const LoraOptions& options) {
  auto problems = check_selectors(model, options.also, "lora/also");
  std::vector<std::string> places;
  for (const Node* node : find_layers(model, {})) places.push_back(place_of(*node));
  for (std::size_t i = 0; i < options.select.size(); ++i) {
    if (std::ranges::any_of(places, [&](const auto& place) { return matches_glob(options.select[i], place); })) continue;
    problems.push_back({"`" + options.select[i] + "` matches no linear layer or convolution with a weight of its own",
                        {.pointer = "/lora/select/" + std::to_string(i)}, suggest(options.select[i], places)});
  }
  return problems;
}

}  // namespace dsc
