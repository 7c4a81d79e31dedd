#include "ops/quant_placement.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ops/arguments.h"

namespace dsc {
namespace {

std::string place_of(const Node& node) { return node.module_path().empty() ? node.name() : node.module_path(); }

bool is_add(const Node& node) { return node.is("aten.add.Tensor") || node.is("aten.add_.Tensor"); }

class Placer {
 public:
  explicit Placer(Graph& graph) : graph_(graph) {}

  QuantPlacement place(const std::function<bool(const Node&)>& select) {
    const auto nodes = graph_.nodes();
    for (Node* node : nodes) {
      order_.emplace(node, order_.size());
      if (select && !select(*node)) continue;
      if (auto layer = find_quant_layer(graph_, node)) add_layer(*layer);
    }
    for (Node* node : nodes) {
      if (is_add(*node)) add_shortcut(*node);
    }
    for (ActivationQuantizer& quantizer : placement_.activations) sort_uses(quantizer.uses);
    for (WeightQuantizer& quantizer : placement_.weights) sort_uses(quantizer.uses);
    return std::move(placement_);
  }

 private:
  void add_layer(const QuantLayer& layer) {
    // A weight that is shared along another axis has no common grid per channel.
    const Value* weight = layer.weight ? value_of(*layer.weight) : nullptr;
    if (weight && weights_.contains(weight) && placement_.weights[weights_[weight]].channel_axis != layer.channel_axis) return;
    for (const QuantLayer::Activation& activation : layer.activations) {
      add_activation(activation.use, activation.is_signed, place_of(*layer.node));
    }
    if (layer.weight) add_weight(layer);
    placement_.layers.push_back(layer.node);
    layers_.insert(layer.node);
  }

  static Value* value_of(const Use& use) { return std::get<Value*>(use.node->arguments()[use.argument].value); }

  // The use at which a quantiser serves this one: higher up, where only moves lie between.
  static Use hoist(Use use) {
    while (true) {
      const Value* value = value_of(use);
      Node* producer = value->producer();
      if (!producer || value->uses().size() != 1) return use;
      const Value* source = moved_value(*producer);
      if (!source || has_side_effect(*producer)) return use;
      for (const Use& candidate : source->uses()) {
        if (candidate.node == producer && std::holds_alternative<Value*>(producer->arguments()[candidate.argument].value)) use = candidate;
      }
      if (value_of(use) != source) return use;
    }
  }

  void add_activation(Use use, bool is_signed, const std::string& place) {
    use = hoist(use);
    Value* value = value_of(use);
    if (value->producer() && is_fake_quantize(*value->producer())) return;
    const auto [entry, added] = activations_.emplace(value, placement_.activations.size());
    if (added) placement_.activations.push_back({.value = value, .place = place});
    ActivationQuantizer& quantizer = placement_.activations[entry->second];
    if (std::find(quantizer.uses.begin(), quantizer.uses.end(), use) == quantizer.uses.end()) quantizer.uses.push_back(use);
    quantizer.is_signed = quantizer.is_signed || is_signed;
  }

  void add_weight(const QuantLayer& layer) {
    Value* value = value_of(*layer.weight);
    const auto [entry, added] = weights_.emplace(value, placement_.weights.size());
    if (added) {
      placement_.weights.push_back({.value = value, .name = graph_.find_input(value)->target,
                                    .channel_axis = layer.channel_axis, .place = place_of(*layer.node)});
    }
    placement_.weights[entry->second].uses.push_back(*layer.weight);
  }

  // Whether a convolution in low precision makes the value for this add alone, and so can do the add itself.
  bool is_fused_sum(const Value* value) const {
    const Node* producer = value->producer();
    return producer && layers_.contains(producer) && is_convolution(*producer) && value->uses().size() == 1;
  }

  void add_shortcut(Node& node) {
    Value *self = node.find_value("self"), *other = node.find_value("other");
    if (!self || !other || self == other || !self->is_tensor() || !other->is_tensor()) return;
    const bool self_fused = is_fused_sum(self), other_fused = is_fused_sum(other);
    if (!self_fused && !other_fused) return;
    const Use use = use_of(node, self_fused ? other : self);
    if (has_side_effect(node) && use.argument == 0) return;  // adds in place to the shortcut itself
    // A convolution on both sides: the shortcut's writes integers, the other adds them.
    if (self_fused && other_fused) {
      add_activation(use, false, place_of(*other->producer()));
      return;
    }
    // Otherwise only where its source is quantised anyway.
    Use source = use;
    while (true) {
      Value* value = value_of(source);
      if (activations_.contains(value)) break;
      Node* producer = value->producer();
      const Value* from = producer ? moved_value(*producer) : nullptr;
      if (!from || value->uses().size() != 1) return;
      source = use_of(*producer, from);
    }
    add_activation_at(source);
  }

  void add_activation_at(const Use& use) {
    ActivationQuantizer& quantizer = placement_.activations[activations_.at(value_of(use))];
    if (std::find(quantizer.uses.begin(), quantizer.uses.end(), use) == quantizer.uses.end()) quantizer.uses.push_back(use);
  }

  static Use use_of(Node& node, const Value* value) {
    for (const Use& use : value->uses()) {
      if (use.node == &node) return use;
    }
    return {&node, 0, 0};
  }

  void sort_uses(std::vector<Use>& uses) const {
    std::stable_sort(uses.begin(), uses.end(), [&](const Use& a, const Use& b) { return order_.at(a.node) < order_.at(b.node); });
  }

  Graph& graph_;
  QuantPlacement placement_;
  std::unordered_map<const Node*, std::size_t> order_;
  std::unordered_map<const Value*, std::size_t> activations_, weights_;
  std::unordered_set<const Node*> layers_;
};

}  // namespace

QuantPlacement place_quantizers(Graph& graph, const std::function<bool(const Node&)>& select) { return Placer(graph).place(select); }

Node* insert_quantizer(Graph& graph, Value* value, const std::vector<Use>& uses, std::string target,
                       std::vector<NamedArgument> arguments, std::string_view name) {
  arguments.insert(arguments.begin(), {"self", value, false});
  Node* first = uses.front().node;
  Node* node = graph.insert(first, std::move(target), std::move(arguments), {{graph.unique_name(name), value->type()}});
  graph.copy_origin(node, first);
  for (const Use& use : uses) graph.replace_use(use, node->output());
  return node;
}

}  // namespace dsc
