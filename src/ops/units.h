// The algebra of removal: which elements of tensors go together.
//
// A *unit* is something that can be removed: a channel, an attention head, a position inside every head. Each index of
// a tensor dimension carries a *label*, a set of units; the element is removed iff any of its units is. The empty label
// means "always kept". An element of a dimension that a view splits into heads x positions has two units.
//
// Operators say which labels must be equal (`tie`). Units are then merged (union-find), or defined as a set of other
// units (an element that a later view factors: u := {head, position}), or kept (u := {}). Each of these only makes fewer
// removals possible, so any sequence of them leaves the labels consistent; what cannot be reconciled is kept, and the
// reason is remembered.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace dsc {

using Unit = std::int32_t;
using Label = std::int32_t;   // an interned set of units
using Reason = std::int32_t;  // index into a list of reasons that the caller keeps; -1: none
inline constexpr Label kKept = 0;

class UnitTable {
 public:
  Label make();                                     // the label of one new unit
  Label join(Label a, Label b);                     // the union of both sets; arguments canonical
  Label canonical(Label label);                     // the same set in terms of units that still stand for themselves
  std::span<const Unit> units(Label label) const;   // ascending when canonical
  Label label(Unit unit) const { return unit * 2 + 1; }  // of one unit: odd, so that the common case needs no table
  void keep(Label label, Reason reason);            // nothing in it is ever removed
  // Makes a[k] and b[k] equal for all k. cost: linear, apart from dimensions of several units an element that differ.
  void tie(std::span<const Label> a, std::span<const Label> b, Reason reason);
  void tie(Label a, Label b, Reason reason);
  // Why a label became kept; -1: unknown.
  Reason reason_of(Label label) const;
  std::size_t unit_count() const { return parent_.size(); }

 private:
  struct Set {
    std::vector<Unit> units;
    Label canonical = kKept;
    std::uint64_t version = 0;  // of the table, when `canonical` was found
  };
  Unit root(Unit unit);
  Label intern(std::vector<Unit> units);
  void define(Unit unit, Label as, Reason reason);
  void merge(Unit a, Unit b);
  bool tie_simple(Label a, Label b, Reason reason);  // false: several units on both sides differ
  void merge_equal_patterns(std::span<const Label> a, std::span<const Label> b);
  void keep_difference(Label a, Label b, Reason reason);

  std::vector<Unit> parent_, identity_;
  std::vector<Label> definition_;  // of a root: what it was defined as, or itself
  std::vector<Reason> reason_;     // why a root is kept
  std::vector<Set> sets_{1};
  std::unordered_multimap<std::uint64_t, Label> set_by_hash_;
  std::uint64_t version_ = 1;
};

}  // namespace dsc
