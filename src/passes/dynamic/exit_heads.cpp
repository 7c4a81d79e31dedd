#include "passes/dynamic/exit_heads.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "data/model_inputs.h"
#include "dscompress/error.h"
#include "exec/convert.h"
#include "ops/arguments.h"
#include "ops/exits.h"
#include "ops/insert.h"
#include "ops/modules.h"
#include "ops/parameters.h"
#include "ops/reads.h"

namespace dsc::dynamic {
namespace {

using NodeSet = std::unordered_set<const Node*>;

void place_in_module(Graph& graph, Node* node, const std::string& path, const std::string& type) {
  auto metadata = node->metadata();
  metadata["nn_module_stack"] = "@," + path + "," + type;
  graph.set_metadata(node, std::move(metadata));
}

// The network's own head once more, on what an earlier block gives.
class HeadCopy {
 public:
  HeadCopy(Model& model, const Block& block, const Block& last, std::string prefix)
      : model_(model),
        graph_(model.graph),
        from_(block.output),
        last_(last.output),
        before_(node_after(graph_, from_->producer())),
        prefix_(std::move(prefix)),
        behind_last_(readers_of(graph_, last_)),
        behind_from_(readers_of(graph_, from_)) {
    for (const Node* node : graph_.nodes()) {
      if (node == before_) break;
      known_.insert(node);
    }
  }

  // null: the head cannot be copied.
  Value* make(Value* scores) {
    if (!same_type(from_, last_) || !find_nodes(scores)) return nullptr;
    values_[last_] = from_;
    for (const Node* node : graph_.nodes()) {
      if (needed_.contains(node)) copy(*node);
    }
    return values_.at(scores);
  }

 private:
  // What has to be copied: what depends on the last block, and what is computed too late, such as a mask for the mean over tokens.
  bool find_nodes(const Value* scores) {
    std::vector<const Value*> todo{scores};
    while (!todo.empty()) {
      const Value* value = todo.back();
      todo.pop_back();
      const Node* node = value->producer();
      if (value == last_ || !node || known_.contains(node) || !needed_.insert(node).second) continue;
      const bool reads_network = behind_from_.contains(node) && !behind_last_.contains(node);
      if (reads_network || node->outputs().size() != 1 || !target_of(*node)) return false;
      for (const Value* read : values_read(*node)) todo.push_back(read);
    }
    return needed_.contains(scores->producer()) && behind_last_.contains(scores->producer());
  }

  // In place on what a block gives, a head would change what the next block reads. none: it writes in another way.
  static std::optional<std::string> target_of(const Node& node) {
    if (!has_side_effect(node)) return node.target();
    const auto dot = node.target().rfind('.');
    if (!node.target().starts_with("aten.") || dot == 0 || node.target()[dot - 1] != '_') return std::nullopt;
    return std::string(plain_op(node)) + node.target().substr(dot);
  }

  void copy(const Node& node) {
    const bool is_own = behind_last_.contains(&node);
    std::vector<NamedArgument> arguments = node.arguments();
    for (NamedArgument& argument : arguments) replace(argument.value, is_own);
    const Value* output = node.output();
    Node* made = graph_.insert(before_, *target_of(node), std::move(arguments), {{output->name(), output->type()}}, node.output_structure());
    graph_.copy_origin(made, &node);
    place_in_module(graph_, made, prefix_ + (node.module_path().empty() ? "" : "." + node.module_path()), node.module_type());
    values_[output] = made->output();
  }

  void replace(Argument& argument, bool is_own) {
    if (auto* value = std::get_if<Value*>(&argument)) *value = counterpart(*value, is_own);
    if (auto* list = std::get_if<ValueList>(&argument)) {
      for (Value*& value : *list) value = value ? counterpart(value, is_own) : nullptr;
    }
    if (auto* list = std::get_if<IntList>(&argument)) {
      for (IntOrValue& item : *list) {
        if (auto* value = std::get_if<Value*>(&item)) *value = counterpart(*value, is_own);
      }
    }
  }

  // What only depends on inputs keeps its weights; a head's own are copied.
  Value* counterpart(Value* value, bool is_own) {
    if (const auto found = values_.find(value); found != values_.end()) return found->second;
    const GraphInput* input = graph_.find_input(value);
    if (!is_own || !input || !input->is_weight() || input->kind == InputKind::constant) return value;
    const std::string name = prefix_ + "." + input->target;
    const at::Tensor tensor = model_.weights.get(input->target).clone();
    Value* made = nullptr;
    if (input->kind == InputKind::parameter) {
      made = add_parameter(model_, name, tensor, value);
    } else {
      made = graph_.add_input(InputKind::buffer, graph_.unique_name("b_" + std::to_string(values_.size())), name, value->type(), input->persistent);
      model_.weights.set(name, tensor);
    }
    return values_[value] = made;
  }

  Model& model_;
  Graph& graph_;
  Value* from_;
  Value* last_;
  Node* before_;
  std::string prefix_;
  NodeSet behind_last_, behind_from_, known_, needed_;
  std::unordered_map<const Value*, Value*> values_;
};

// Pictures have features in dimension 1, unless what computes with them says that they are in the last, as sequences have them.
std::int64_t feature_dim(const Value* value) {
  const auto reads_last = [](const Node* node) { return node && (plain_op(*node) == "aten.linear" || plain_op(*node) == "aten.layer_norm"); };
  const auto reads_second = [](const Node* node) {
    return node && (plain_op(*node).starts_with("aten.conv") || plain_op(*node) == "aten.batch_norm");
  };
  for (const Use& use : value->uses()) {
    if (reads_last(use.node)) return value->tensor().rank() - 1;
    if (reads_second(use.node)) return 1;
  }
  return value->tensor().rank() >= 4 ? 1 : value->tensor().rank() - 1;
}

// null: that input, or none of its name, says nothing of the positions of sequences of features.
Value* find_mask(const Graph& graph, const std::string& name, const TensorType& type) {
  for (const GraphInput* input : model_inputs(graph)) {
    if (input->target == name && input->value->tensor().rank() == 2 && type.rank() == 3) return input->value;
  }
  return nullptr;
}

// Over positions, dimension 1, of which the mask counts those with 1.
Value* masked_mean(Graph& graph, Node* before, Value* from, Value* mask) {
  Inserter insert(graph, before);
  const ScalarType dtype = from->tensor().dtype, counts = mask->tensor().dtype;
  const IntList positions{std::int64_t{1}};
  Value* shares = insert.tensor("aten.unsqueeze.default", {{"self", mask}, {"dim", std::int64_t{2}}}, counts);
  Value* kept = insert.tensor("aten.mul.Tensor", {{"self", from}, {"other", shares}}, dtype);
  Value* sum = insert.tensor("aten.sum.dim_IntList", {{"self", kept}, {"dim", positions}}, dtype);
  Value* count = insert.tensor("aten.sum.dim_IntList", {{"self", mask}, {"dim", positions}, {"keepdim", true}}, counts);
  return insert.tensor("aten.div.Tensor", {{"self", sum}, {"other", count}}, dtype);
}

Value* add_pooled_head(Model& model, Value* from, std::int64_t classes, const HeadRequest& request) {
  const auto& [form, mask_name, prefix, seed] = request;
  Graph& graph = model.graph;
  const TensorType& type = from->tensor();
  const std::int64_t dim = feature_dim(from), features = type.rank() < 2 ? 0 : type.sizes[static_cast<std::size_t>(dim)].size;
  if (type.rank() < 2 || !is_floating(type.dtype) || !type.sizes[static_cast<std::size_t>(dim)].is_fixed() || features <= 0) return nullptr;
  Node* before = node_after(graph, from->producer());
  const auto insert = [&](const char* target, std::vector<NamedArgument> arguments, const char* name, const char* module_type) {
    Node* node = graph.insert(before, target, std::move(arguments),
                              {{name, TensorType{.dtype = type.dtype, .sizes = {type.sizes[0], {features, ""}}, .device = type.device}}});
    graph.copy_origin(node, from->producer());
    place_in_module(graph, node, prefix + ".classifier", module_type);
    return node->output();
  };
  IntList pooled;
  for (std::int64_t i = 1; i < type.rank(); ++i) {
    if (i != dim) pooled.emplace_back(i);
  }
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const at::Tensor weight = at::randn({classes, features}, generator, at::kFloat) / std::sqrt(static_cast<double>(features));
  Value* w = add_parameter(model, prefix + ".classifier.weight", weight.to(to_c10(type.dtype)), from);
  Value* b = add_parameter(model, prefix + ".classifier.bias", at::zeros({classes}, to_c10(type.dtype)), from);
  for (Value* parameter : {w, b}) {
    TensorType trained = parameter->tensor();
    trained.requires_grad = true;
    graph.set_type(parameter, trained);
  }
  Value* mask = mask_name.empty() ? nullptr : find_mask(graph, mask_name, type);
  if (!mask_name.empty() && !mask) return nullptr;
  Value* mean = mask             ? masked_mean(graph, before, from, mask)
                : pooled.empty() ? from
                                 : insert("aten.mean.dim", {{"self", from}, {"dim", pooled}}, "pooled", "torch.nn.modules.pooling.AdaptiveAvgPool2d");
  return insert("aten.linear.default", {{"input", mean}, {"weight", w}, {"bias", b}}, "scores", "torch.nn.modules.linear.Linear");
}

}  // namespace

std::span<const std::string_view> enum_names(HeadForm) {
  static constexpr std::array<std::string_view, 2> kNames{"own", "mean"};
  return kNames;
}

HeadForm add_exit_head(Model& model, const Block& block, const Block& last, const HeadRequest& request) {
  Value* scores = shown_outputs(model.graph).front();
  HeadForm form = request.form;
  Value* made = form == HeadForm::copied ? HeadCopy(model, block, last, request.prefix).make(scores) : nullptr;
  if (!made) {
    form = HeadForm::pooled;
    made = add_pooled_head(model, block.output, scores->tensor().sizes.back().size, request);
  }
  if (!made) {
    throw Error(ErrorCode::unsupported,
                "no head fits what `" + block.name + "` gives: it has no features in a dimension of fixed size" +
                    (request.mask.empty() ? "" : ", or no positions that `" + request.mask + "` counts"),
                {}, "choose another block for the exit" + std::string(request.mask.empty() ? "" : ", or remove `mask`"));
  }
  model.graph.add_output(OutputKind::user, made);
  return form;
}

}  // namespace dsc::dynamic
