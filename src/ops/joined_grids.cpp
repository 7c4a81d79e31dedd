#include "ops/joined_grids.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <unordered_map>
#include <utility>

#include "ops/arguments.h"
#include "ops/op_info.h"

namespace dsc {
namespace {

// The value that all outputs hold elements of, unchanged; null: there is none.
Value* split_value(const Node& node) {
  if (Value* moved = moved_value(node)) return moved;
  return node.outputs().size() > 1 && traits_of(node).collects_elements ? node.find_value("self") : nullptr;
}

class Joiner {
 public:
  Joiner(const Graph& graph, const QuantPlacement& placement)
      : items_(placement.activations), measured_(items_.size()), gone_(items_.size(), false), classes_(items_.size()) {
    for (const Node* node : graph.nodes()) order_.emplace(node, order_.size());
    std::iota(classes_.begin(), classes_.end(), std::size_t{0});
    for (std::size_t i = 0; i < items_.size(); ++i) by_value_.emplace(Key{items_[i].value, items_[i].choice}, i);
  }

  std::vector<JoinedQuantizer> join() {
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t i = 0; i < items_.size(); ++i) changed = (!gone_[i] && move_up(i)) || changed;
    }
    std::map<std::size_t, ZeroPoint> zero_points;
    std::map<std::size_t, std::vector<std::size_t>> ranges;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      auto [entry, added] = zero_points.emplace(class_of(i), items_[i].zero_point);
      if (!added) entry->second = std::max(entry->second, items_[i].zero_point);
      if (i < measured_) ranges[class_of(i)].push_back(i);
    }
    std::vector<JoinedQuantizer> out;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (gone_[i]) continue;
      items_[i].zero_point = zero_points.at(class_of(i));
      std::stable_sort(items_[i].uses.begin(), items_[i].uses.end(),
                       [&](const Use& a, const Use& b) { return order_.at(a.node) < order_.at(b.node); });
      out.push_back({std::move(items_[i]), ranges.at(class_of(i))});
    }
    return out;
  }

 private:
  using Key = std::pair<const Value*, std::int64_t>;  // and a choice of precision
  struct Source {
    Use use;                     // that takes the quantised value
    std::vector<Value*> passed;  // made from it on the way
  };

  std::size_t class_of(std::size_t i) const {
    while (classes_[i] != i) i = classes_[i];
    return i;
  }
  void unite(std::size_t a, std::size_t b) { classes_[std::max(class_of(a), class_of(b))] = std::min(class_of(a), class_of(b)); }

  // Whether the quantiser was a concatenation's, and is where its parts are made now.
  bool move_up(std::size_t i) {
    Node* node = items_[i].value->producer();
    if (!node || (node->op() != "aten.cat" && node->op() != "aten.concat")) return false;
    const auto& uses = items_[i].value->uses();
    const auto& taken = items_[i].uses;
    if (!std::all_of(uses.begin(), uses.end(), [&](const Use& use) { return std::find(taken.begin(), taken.end(), use) != taken.end(); }))
      return false;
    const auto* list = std::get_if<ValueList>(node->find_argument("tensors"));
    if (!list) return false;
    std::set<const Value*> parts;
    std::vector<Use> reads;
    for (const Value* part : *list) {
      if (!part || !part->producer() || !part->is_tensor() || !is_floating(part->tensor().dtype) || is_fake_quantize(*part->producer())) return false;
      if (!parts.insert(part).second) continue;
      for (const Use& use : part->uses()) {
        if (use.node == node) reads.push_back(use);
      }
    }
    for (const Use& read : reads) add_source(climb(read, parts, items_[i].choice), i);
    gone_[i] = true;
    return true;
  }

  // Up as long as all that is made of the value on the way belongs to the concatenation or is measured on its own: else the grid might cut it off.
  Source climb(Use use, const std::set<const Value*>& parts, std::int64_t choice) const {
    Source source{use, {}};
    while (true) {
      Node* producer = value_of(source.use)->producer();
      Value* from = producer ? split_value(*producer) : nullptr;
      if (!from || !from->producer() || is_fake_quantize(*from->producer()) || has_side_effect(*producer) ||
          producer->op() == "aten.scaled_dot_product_attention")
        return source;
      const auto outputs = producer->outputs();
      const auto covered = [&](const Value* made) { return parts.contains(made) || by_value_.contains(Key{made, choice}) || made->uses().empty(); };
      if (!std::all_of(outputs.begin(), outputs.end(), covered)) return source;
      source.passed.insert(source.passed.end(), outputs.begin(), outputs.end());
      for (const Use& read : from->uses()) {
        if (read.node == producer) source.use = read;
      }
    }
  }

  void add_source(const Source& source, std::size_t of) {
    Value* value = value_of(source.use);
    const auto [entry, added] = by_value_.emplace(Key{value, items_[of].choice}, items_.size());
    if (added) {
      const ActivationQuantizer& whole = items_[of];
      items_.push_back(
          {.value = value, .uses = {}, .zero_point = whole.zero_point, .choice = whole.choice, .layer = whole.layer, .place = whole.place});
      gone_.push_back(false);
      classes_.push_back(classes_.size());
    }
    ActivationQuantizer& quantizer = items_[entry->second];
    if (gone_[entry->second]) {  // of a value that is on the grid by then
      unite(entry->second, of);
      return;
    }
    if (std::find(quantizer.uses.begin(), quantizer.uses.end(), source.use) == quantizer.uses.end()) quantizer.uses.push_back(source.use);
    unite(entry->second, of);
    for (const Value* passed : source.passed) {
      const auto own = by_value_.find(Key{passed, items_[of].choice});
      if (own == by_value_.end()) continue;
      gone_[own->second] = true;
      unite(own->second, of);
    }
  }

  std::vector<ActivationQuantizer> items_;
  std::size_t measured_;  // the first so many are the placement's
  std::vector<bool> gone_;
  std::vector<std::size_t> classes_;
  std::map<Key, std::size_t> by_value_;
  std::unordered_map<const Node*, std::size_t> order_;
};

}  // namespace

std::vector<JoinedQuantizer> join_grids(const Graph& graph, const QuantPlacement& placement) { return Joiner(graph, placement).join(); }

}  // namespace dsc
