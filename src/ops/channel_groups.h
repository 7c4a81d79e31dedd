// Which parts of a model can be removed together: units, gathered into groups that touch the same dimensions.
//
// Found from the graph alone (ties.h). One unit is, say, channel 5 of a residual stage: row 5 of every convolution that
// writes the stage, entry 5 of their batch norms, column 5 of all that read it. A group is the family of such units.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "dscompress/model.h"
#include "ops/ties.h"

namespace dsc {

using UnitId = std::int32_t;
using Removal = std::vector<char>;  // by unit: nonzero is removed

// A dimension of a weight in which units lie.
struct Member {
  std::string weight;
  const Value* value = nullptr;
  std::int64_t dim = 0;
  Role role = Role::other;
  std::int32_t axis = 0;  // which labels; see ChannelGroups::labels
};

struct ChannelGroup {
  std::string name;                  // the module that makes the channels, with #2, #3 for further groups of it
  std::vector<UnitId> units;         // in the order of their first elements
  std::vector<std::size_t> members;  // indices into members()
  std::int64_t least = 1;            // so many units must stay
  bool is_chosen = false;            // for each row some of its units are chosen and looked up: experts
  std::string statistics;            // operator whose statistics over channels a removal changes; empty: none
};

// A weight dimension that cannot shrink.
struct KeptDimension {
  std::string weight;
  std::int64_t dim = 0;
  Role role = Role::other;
  std::string reason;    // "softmax runs over these positions"
  std::string operation; // "aten.softmax.int"; empty: the model's interface
  std::string source;    // the user's source line, if known
};

// What a removal leaves.
struct Extents {
  std::vector<char> gone;          // by label
  std::vector<std::int64_t> kept;  // by axis
};

class ChannelGroups {
 public:
  // Refers to the graph's nodes and values: stale after any edit. cost: linear in the graph and its dimensions.
  explicit ChannelGroups(const Model& model);

  std::size_t unit_count() const { return unit_count_; }
  const std::vector<ChannelGroup>& groups() const { return groups_; }
  const std::vector<Member>& members() const { return members_; }
  const std::vector<KeptDimension>& kept_dimensions() const { return kept_; }
  const std::vector<const Node*>& unknown_operators() const { return unknown_; }

  // The label of each index of an axis; 0: always kept.
  std::span<const std::int32_t> labels(std::int32_t axis) const { return axes_[static_cast<std::size_t>(axis)]; }
  std::span<const UnitId> units(std::int32_t label) const;
  std::size_t axis_count() const { return axes_.size(); }

  Removal nothing() const { return Removal(unit_count_, 0); }
  Extents extents(const Removal& removed) const;
  // -1: the whole dimension is kept.
  std::int32_t axis_of(const Value* value, std::int64_t dim) const;
  std::int64_t size(const Value* value, std::int64_t dim, const Extents& extents) const;
  std::vector<std::int64_t> kept_indices(std::int32_t axis, const Extents& extents) const;
  // Axes remembered by rules of operators, see Ties::remember.
  std::int64_t remembered(const Node* node, std::size_t index, const Extents& extents) const;

 private:
  struct Collector;

  std::size_t unit_count_ = 0;
  std::vector<std::vector<std::int32_t>> axes_;
  std::vector<std::size_t> label_begin_;  // units of label i: label_units_[label_begin_[i] .. label_begin_[i + 1])
  std::vector<UnitId> label_units_;
  std::unordered_map<const Value*, std::vector<std::int32_t>> axes_of_value_;
  std::unordered_map<const Node*, std::vector<std::pair<std::int32_t, std::int64_t>>> remembered_;  // axis or -1, size
  std::vector<ChannelGroup> groups_;
  std::vector<Member> members_;
  std::vector<KeptDimension> kept_;
  std::vector<const Node*> unknown_;
};

}  // namespace dsc
