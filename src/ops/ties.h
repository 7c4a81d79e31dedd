// The labels of every dimension of every tensor of a graph, and the vocabulary in which operators tie them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dscompress/graph.h"
#include "ops/units.h"

namespace dsc {

struct OpInfo;

// One dimension: a label for each index, or none when the whole dimension is kept.
struct Axis {
  std::int64_t size = 0;
  std::shared_ptr<const std::vector<Label>> labels = {};
  Reason reason = -1;  // why it is kept
  bool is_kept() const { return !labels; }
};
using Axes = std::vector<Axis>;

// What a dimension of a weight does for its layer.
enum class Role : std::uint8_t { other, produces, consumes, scales };

struct KeepReason {
  const Node* node = nullptr;  // null: not an operator's doing
  std::string text;            // "model output", "softmax runs over this dimension"
};

class Ties {
 public:
  // Runs every node's rule. shared: pairs of graph inputs that are one tensor.
  explicit Ties(const Graph& graph, const std::vector<std::pair<const Value*, const Value*>>& shared = {});

  // --- for the operators' rules ---
  // Of a graph input on first use: fresh units for floating-point weights, kept for all else.
  const Axes& axes(const Value* value);
  // Of a weight of any dtype that follows channels, such as the zero points of a quantiser.
  const Axes& parameter_axes(const Value* value);
  Axis axis(const Value* value, std::int64_t dim) { return axes(value).at(static_cast<std::size_t>(dim)); }
  void define(const Value* value, Axes axes);
  Axis fresh(std::int64_t size);                              // a unit for each index; size 1: kept
  Axis free(std::int64_t size);                               // a unit for each index, even a single one: padding
  Axis kept(std::int64_t size, std::string why);
  void tie(const Axis& a, const Axis& b);                     // sizes that differ: both kept
  void keep(const Axis& axis, const std::string& why);
  void keep(const Value* value, const std::string& why);      // every dimension
  // Rows of an axis; indices outside it are not allowed.
  Axis pick(const Axis& axis, const std::vector<std::int64_t>& indices);
  Axis slice(const Axis& axis, std::int64_t start, std::int64_t end, std::int64_t step = 1);
  Axis concatenate(const Axes& parts);
  // The dimension that a view makes of several, first slowest.
  Axis merge(const Axes& parts);
  // Splits into dimensions of the given sizes; those marked are kept (symbolic sizes, positions in a picture).
  Axes split(const Axis& axis, const std::vector<std::int64_t>& sizes, const std::vector<bool>& keep_parts = {});
  // The same where sizes may be variable: of "12*s0" the 12 can hold channels, the rest is kept.
  Axes split_dims(const Axis& axis, const std::vector<Dim>& dims);
  // What view and reshape do, symbolic dimensions included.
  Axes reshape(const Axes& from, const std::vector<Dim>& from_dims, const std::vector<Dim>& to_dims);
  // Ties dimensions aligned from the right and returns those of the broadcast result of shape `to`.
  Axes broadcast(const std::vector<Axes>& from, const std::vector<Dim>& to);
  // For the resize rule: the extent of an axis that no tensor dimension shows, such as the groups of a convolution.
  void remember(const Axis& axis);
  void set_role(const Value* weight, std::int64_t dim, Role role);  // also of what is cast from a weight, or looked up in a stack
  // Says that a tensor of integers holds positions in an axis, as topk returns them. Rules that look up with such tensors tie
  // the axis to the one that they look up in; any other operator that computes with them keeps it.
  void set_positions(const Value* integers, const Axis& axis) { positions_.insert_or_assign(integers, axis); }
  const Axis* positions(const Value* integers) const;           // null: it holds none that are known
  // Looks up in an axis: ties it to the one that the integers are positions in, or keeps it.
  void look_up(const Axis& axis, const Value* integers);
  void at_least(const Axis& axis, std::int64_t count);          // so many elements must stay: topk chooses them
  // Removing from this axis changes a statistic taken over it (layer norm, mean over channels).
  void changes_statistics(const Axis& axis);
  const std::vector<Dim>& dims(const Value* value) const { return value->tensor().sizes; }

  // --- for the analysis ---
  UnitTable& units() { return units_; }
  const std::unordered_map<const Value*, Axes>& all_axes() const { return axes_; }
  const std::unordered_map<const Node*, Axes>& remembered() const { return remembered_; }
  Role role(const Value* weight, std::int64_t dim) const;
  const std::vector<std::pair<Axis, const Node*>>& statistics() const { return statistics_; }
  const std::vector<std::pair<Axis, std::int64_t>>& least() const { return least_; }
  const KeepReason& reason(Reason reason) const { return reasons_.at(static_cast<std::size_t>(reason)); }
  const std::vector<const Node*>& unknown_operators() const { return unknown_; }

 private:
  Reason why(const std::string& text);
  Axis made(std::vector<Label> labels);
  std::vector<Label> labels_of(const Axis& axis) const;
  Axes make_input_axes(const Value* value, bool follows_channels);
  Axes split_labels(std::vector<Label> labels, const std::vector<std::int64_t>& sizes, const std::vector<bool>& keep_parts);
  void run_node(const Node& node);
  void pass_positions_on(const Node& node, const OpInfo* info);

  const Graph& graph_;
  UnitTable units_;
  std::unordered_map<const Value*, Axes> axes_;
  std::unordered_map<const Node*, Axes> remembered_;
  std::unordered_map<const Value*, std::vector<Role>> roles_;
  std::vector<std::pair<Axis, const Node*>> statistics_;
  std::vector<std::pair<Axis, std::int64_t>> least_;
  std::unordered_map<const Value*, Axis> positions_;
  std::vector<KeepReason> reasons_;
  std::vector<const Node*> unknown_;
  const Node* node_ = nullptr;  // whose rule runs
};

// Sizes with the exporter's hint for symbolic dimensions.
std::vector<std::int64_t> sizes_of(const std::vector<Dim>& dims);

}  // namespace dsc
