#include "ops/quant_placement.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "ops/arguments.h"

namespace dsc {
namespace {

bool is_add(const Node& node) { return node.is("aten.add.Tensor") || node.is("aten.add_.Tensor"); }

class Placer {
 public:
  Placer(Graph& graph, const QuantTarget& target, const ChooseLayer& choose) : graph_(graph), target_(target), choose_(choose) {}

  QuantPlacement place() {
    const auto nodes = graph_.nodes();
    for (Node* node : nodes) {
      order_.emplace(node, order_.size());
      const auto layer = find_quant_layer(graph_, node);
      if (!layer || !target_.has(layer->kind)) continue;
      const auto choice = choose_ ? choose_(*node) : LayerChoice{};
      if (choice) add_layer(*layer, *choice);
    }
    for (Node* node : nodes) {
      if (is_add(*node)) add_sum(*node);
    }
    for (ActivationQuantizer& quantizer : placement_.activations) sort_uses(quantizer.uses);
    for (WeightQuantizer& quantizer : placement_.weights) sort_uses(quantizer.uses);
    return std::move(placement_);
  }

 private:
  using Key = std::pair<const Value*, std::int64_t>;  // a value and a choice of precision

  void add_layer(const QuantLayer& layer, const LayerChoice& choice) {
    // A weight that is shared along another axis has no common grid per channel.
    const bool is_shared_otherwise = std::any_of(layer.weights.begin(), layer.weights.end(), [&](const Use& use) {
      const auto found = weights_.find(value_of(use));
      return found != weights_.end() && placement_.weights[found->second].channel_axis != layer.channel_axis;
    });
    if (is_shared_otherwise) return;
    const bool has_weights = !layer.weights.empty() && choice.weights;
    if (choice.activations < 0 && !has_weights) return;
    if (choice.activations >= 0) {
      for (const QuantLayer::Activation& activation : layer.activations) {
        add_activation(activation.use, zero_point_of(layer, activation), choice.activations, layer.node);
      }
    }
    if (has_weights) {
      for (const Use& use : layer.weights) add_weight(layer, use, choice.activations >= 0);
    }
    placement_.layers.push_back(layer.node);
    layers_.emplace(layer.node, choice.activations);
  }

  // Of a product of two activations the second is the one that keeps to half of its integers.
  ZeroPoint zero_point_of(const QuantLayer& layer, const QuantLayer::Activation& activation) const {
    const bool is_second = layer.activations.size() == 2 && activation.use == layer.activations.back().use;
    if (is_second && target_.adds_in_pairs) return ZeroPoint::narrow;
    return target_.product_zero_points ? ZeroPoint::any : activation.zero_point;
  }

  // The use at which a quantiser serves this one: higher up, where only moves lie between. Not up to a fused attention: its
  // kernel moves the floating-point result itself, and integers would be moved afterwards.
  static Use hoist(const Use& from) {
    Use use = from;
    while (true) {
      const Value* value = value_of(use);
      Node* producer = value->producer();
      if (producer && producer->op() == "aten.scaled_dot_product_attention") return from;
      if (!producer || value->uses().size() != 1) return use;
      const Value* source = moved_value(*producer);
      if (!source || has_side_effect(*producer)) return use;
      for (const Use& candidate : source->uses()) {
        if (candidate.node == producer && std::holds_alternative<Value*>(producer->arguments()[candidate.argument].value)) use = candidate;
      }
      if (value_of(use) != source) return use;
    }
  }

  void add_activation(Use use, ZeroPoint zero_point, std::int64_t choice, Node* layer) {
    use = hoist(use);
    Value* value = value_of(use);
    if (value->producer() && is_fake_quantize(*value->producer())) return;
    const auto [entry, added] = activations_.emplace(Key{value, choice}, placement_.activations.size());
    if (added) placement_.activations.push_back({.value = value, .choice = choice, .layer = layer, .place = place_of(*layer)});
    ActivationQuantizer& quantizer = placement_.activations[entry->second];
    add_use(quantizer, use);
    quantizer.zero_point = std::max({quantizer.zero_point, zero_point, target_.activations});
  }

  static void add_use(ActivationQuantizer& quantizer, const Use& use) {
    if (std::find(quantizer.uses.begin(), quantizer.uses.end(), use) == quantizer.uses.end()) quantizer.uses.push_back(use);
  }

  void add_weight(const QuantLayer& layer, const Use& use, bool has_integer_inputs) {
    Value* value = value_of(use);
    const auto [entry, added] = weights_.emplace(value, placement_.weights.size());
    if (added) {
      placement_.weights.push_back({.value = value, .name = graph_.find_input(value)->target, .kind = layer.kind, .channel_axis = layer.channel_axis,
                                    .layer = layer.node, .place = place_of(*layer.node)});
    }
    WeightQuantizer& quantizer = placement_.weights[entry->second];
    if (target_.adds_in_pairs && has_integer_inputs && !quantizer.paired_axis) quantizer.paired_axis = layer.reduced_axis;
    quantizer.uses.push_back(use);
  }

  // The convolution in low precision that makes the value for this add alone, and so can do the add itself; null: none.
  Node* fused_convolution(const Value* value) const {
    Node* producer = value->producer();
    const auto layer = producer ? layers_.find(producer) : layers_.end();
    if (layer == layers_.end() || layer->second < 0 || !is_convolution(*producer) || value->uses().size() != 1) return nullptr;
    return producer;
  }

  void add_sum(Node& node) {
    Value *self = node.find_value("self"), *other = node.find_value("other");
    if (!self || !other || self == other || !self->is_tensor() || !other->is_tensor()) return;
    if (target_.sum == QuantTarget::Sum::fused) add_fused_sum(node, self, other);
    if (target_.sum == QuantTarget::Sum::both) add_integer_sum(node, self, other);
  }

  void add_fused_sum(Node& node, const Value* self, const Value* other) {
    Node *by_self = fused_convolution(self), *by_other = fused_convolution(other);
    if (!by_self && !by_other) return;
    const Use use = use_of(node, by_self ? other : self);
    if (has_side_effect(node) && use.argument == 0) return;  // adds in place to the shortcut itself
    const std::int64_t choice = layers_.at(by_self ? by_self : by_other);
    // A convolution on both sides: the shortcut's writes integers, the other adds them.
    if (by_self && by_other) return add_activation(use, ZeroPoint::any, choice, by_other);
    add_where_quantized(use, choice);
  }

  // Both operands, when the sum is quantised for a layer behind it.
  void add_integer_sum(Node& node, const Value* self, const Value* other) {
    if (has_side_effect(node)) return;
    const auto behind = find_quantizer_behind(node.output());
    if (!behind) return;
    const ActivationQuantizer quantizer = placement_.activations[*behind];
    for (const Value* operand : {self, other}) add_activation(use_of(node, operand), quantizer.zero_point, quantizer.choice, quantizer.layer);
  }

  // Of the value itself, or of the activation function that alone uses it.
  std::optional<std::size_t> find_quantizer_behind(const Value* value) const {
    const auto of = [&](const Value* v) -> std::optional<std::size_t> {
      const auto found = activations_.lower_bound(Key{v, 0});
      return found != activations_.end() && found->first.first == v ? std::optional(found->second) : std::nullopt;
    };
    if (const auto found = of(value)) return found;
    if (value->uses().size() != 1 || !value->uses().front().node) return std::nullopt;
    const Node& user = *value->uses().front().node;
    return user.op() == "aten.relu" || user.op() == "aten.relu_" ? of(user.output()) : std::nullopt;
  }

  // Takes the quantised form of a value that is quantised anyway, or of one that it was moved from.
  void add_where_quantized(Use use, std::int64_t choice) {
    while (true) {
      const Value* value = value_of(use);
      const auto found = activations_.find(Key{value, choice});
      if (found != activations_.end()) return add_use(placement_.activations[found->second], use);
      Node* producer = value->producer();
      const Value* from = producer ? moved_value(*producer) : nullptr;
      if (!from || value->uses().size() != 1) return;
      use = use_of(*producer, from);
    }
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
  const QuantTarget& target_;
  const ChooseLayer& choose_;
  QuantPlacement placement_;
  std::unordered_map<const Node*, std::size_t> order_;
  std::map<Key, std::size_t> activations_;
  std::unordered_map<const Value*, std::size_t> weights_;
  std::unordered_map<const Node*, std::int64_t> layers_;  // and their choice of activations
};

}  // namespace

QuantPlacement place_quantizers(Graph& graph, const QuantTarget& target, const ChooseLayer& choose) {
  return Placer(graph, target, choose).place();
}

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
