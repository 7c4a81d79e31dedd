#include "ops/units.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "core/random.h"

namespace dsc {
namespace {

// Labels of one unit are odd (unit * 2 + 1), interned sets even (index * 2): the common case needs no table.
bool is_single(Label label) { return (label & 1) != 0; }
Unit unit_of(Label label) { return label >> 1; }
Label single(Unit unit) { return unit * 2 + 1; }

std::uint64_t hash_of(const std::vector<Unit>& units) {
  std::uint64_t hash = 0;
  for (Unit unit : units) hash = random_bits(hash ^ static_cast<std::uint64_t>(unit));
  return hash;
}

std::vector<Unit> difference(std::span<const Unit> a, std::span<const Unit> b) {
  std::vector<Unit> left;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(left));
  return left;
}

}  // namespace

Label UnitTable::make() {
  auto unit = static_cast<Unit>(parent_.size());
  parent_.push_back(unit);
  identity_.push_back(unit);
  definition_.push_back(single(unit));
  reason_.push_back(-1);
  return single(unit);
}

Unit UnitTable::root(Unit unit) {
  while (parent_[unit] != unit) {
    parent_[unit] = parent_[parent_[unit]];
    unit = parent_[unit];
  }
  return unit;
}

std::span<const Unit> UnitTable::units(Label label) const {
  if (label == kKept) return {};
  if (is_single(label)) return {&identity_[unit_of(label)], 1};
  return sets_[label >> 1].units;
}

Label UnitTable::intern(std::vector<Unit> units) {
  if (units.empty()) return kKept;
  if (units.size() == 1) return single(units.front());
  std::uint64_t hash = hash_of(units);
  auto [begin, end] = set_by_hash_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    if (sets_[it->second >> 1].units == units) return it->second;
  }
  auto label = static_cast<Label>(sets_.size() * 2);
  sets_.push_back({std::move(units)});
  set_by_hash_.emplace(hash, label);
  return label;
}

Label UnitTable::join(Label a, Label b) {
  if (a == b || b == kKept) return a;
  if (a == kKept) return b;
  std::span<const Unit> of_a = units(a), of_b = units(b);
  std::vector<Unit> both;
  both.reserve(of_a.size() + of_b.size());
  std::set_union(of_a.begin(), of_a.end(), of_b.begin(), of_b.end(), std::back_inserter(both));
  return intern(std::move(both));
}

Label UnitTable::canonical(Label label) {
  if (label == kKept) return kKept;
  if (is_single(label)) {
    Unit unit = root(unit_of(label));
    if (definition_[unit] == single(unit)) return single(unit);
    return definition_[unit] = canonical(definition_[unit]);
  }
  auto index = static_cast<std::size_t>(label >> 1);
  if (sets_[index].version == version_) return sets_[index].canonical;
  std::vector<Unit> members = sets_[index].units;  // a copy: join may grow the table
  Label result = kKept;
  for (Unit unit : members) result = join(result, canonical(single(unit)));
  sets_[index].canonical = result;
  sets_[index].version = version_;
  return result;
}

void UnitTable::define(Unit unit, Label as, Reason reason) {
  definition_[unit] = as;
  reason_[unit] = reason;
  ++version_;
}

void UnitTable::merge(Unit a, Unit b) {
  a = root(a);
  b = root(b);
  if (a == b) return;
  parent_[std::max(a, b)] = std::min(a, b);
  ++version_;
}

void UnitTable::keep(Label label, Reason reason) {
  std::span<const Unit> members = units(canonical(label));
  for (Unit unit : std::vector<Unit>(members.begin(), members.end())) define(unit, kKept, reason);
}

Reason UnitTable::reason_of(Label label) const {
  for (Unit unit : units(label)) {
    while (parent_[unit] != unit) unit = parent_[unit];
    if (definition_[unit] == kKept) return reason_[unit];
    if (definition_[unit] == single(unit)) continue;
    Reason deeper = reason_of(definition_[unit]);
    return deeper >= 0 ? deeper : reason_[unit];
  }
  return -1;
}

bool UnitTable::tie_simple(Label a, Label b, Reason reason) {
  a = canonical(a);
  b = canonical(b);
  if (a == b) return true;
  if (is_single(a) && is_single(b)) {
    merge(unit_of(a), unit_of(b));
    return true;
  }
  std::vector<Unit> only_a = difference(units(a), units(b)), only_b = difference(units(b), units(a));
  if (only_a.empty() || only_b.empty()) {
    // One set holds the other: the surplus units must never be removed alone.
    for (Unit unit : only_a) define(unit, kKept, reason);
    for (Unit unit : only_b) define(unit, kKept, reason);
    return true;
  }
  if (only_a.size() == 1 && only_b.size() == 1) {
    merge(only_a[0], only_b[0]);
  } else if (only_a.size() == 1) {
    define(only_a[0], intern(std::move(only_b)), reason);
  } else if (only_b.size() == 1) {
    define(only_b[0], intern(std::move(only_a)), reason);
  } else {
    return false;
  }
  return true;
}

// Two factorings of one dimension: units that occur at the same indices on both sides are the same axis' units.
void UnitTable::merge_equal_patterns(std::span<const Label> a, std::span<const Label> b) {
  std::unordered_map<Unit, std::uint64_t> pattern_a, pattern_b;
  for (std::size_t k = 0; k < a.size(); ++k) {
    for (Unit unit : units(canonical(a[k]))) pattern_a[unit] += random_bits(k);
    for (Unit unit : units(canonical(b[k]))) pattern_b[unit] += random_bits(k);
  }
  std::unordered_map<std::uint64_t, Unit> by_pattern;
  for (auto [unit, pattern] : pattern_b) by_pattern.emplace(pattern, unit);
  std::vector<std::pair<Unit, Unit>> equal;
  for (auto [unit, pattern] : pattern_a) {
    auto match = by_pattern.find(pattern);
    if (match != by_pattern.end() && !pattern_b.contains(unit) && !pattern_a.contains(match->second)) {
      equal.emplace_back(unit, match->second);
    }
  }
  for (auto [left, right] : equal) merge(left, right);
}

void UnitTable::keep_difference(Label a, Label b, Reason reason) {
  a = canonical(a);
  b = canonical(b);
  std::vector<Unit> only_a = difference(units(a), units(b)), only_b = difference(units(b), units(a));
  for (Unit unit : only_a) define(unit, kKept, reason);
  for (Unit unit : only_b) define(unit, kKept, reason);
}

void UnitTable::tie(Label a, Label b, Reason reason) {
  if (!tie_simple(a, b, reason)) keep_difference(a, b, reason);
}

void UnitTable::tie(std::span<const Label> a, std::span<const Label> b, Reason reason) {
  bool composite = false;
  for (std::size_t k = 0; k < a.size() && !composite; ++k) {
    Label left = canonical(a[k]), right = canonical(b[k]);
    composite = left != right && !(is_single(left) && is_single(right)) && left != kKept && right != kKept;
  }
  if (composite) merge_equal_patterns(a, b);
  std::vector<std::size_t> open;
  for (std::size_t k = 0; k < a.size(); ++k) {
    if (!tie_simple(a[k], b[k], reason)) open.push_back(k);
  }
  while (!open.empty()) {  // what was tied meanwhile may have made more of them simple
    std::uint64_t before = version_;
    std::erase_if(open, [&](std::size_t k) { return tie_simple(a[k], b[k], reason); });
    if (version_ == before && !open.empty()) keep_difference(a[open[0]], b[open[0]], reason);
  }
}

}  // namespace dsc
