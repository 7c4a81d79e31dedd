#include "dscompress/prune.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "passes/prune/check.h"
#include "passes/prune/options.h"

namespace dsc {
namespace {

UnitWeight weight_of(const ChannelGroups& groups, const ChannelGroup& group, const Member& member) {
  std::unordered_map<UnitId, std::size_t> place;
  for (std::size_t i = 0; i < group.units.size(); ++i) place[group.units[i]] = i;
  UnitWeight weight{.name = member.weight, .dim = member.dim, .produces = member.role == Role::produces, .indices = {}};
  weight.indices.resize(group.units.size());
  const auto labels = groups.labels(member.axis);
  for (std::size_t index = 0; index < labels.size(); ++index) {
    for (const UnitId unit : groups.units(labels[index])) {
      if (const auto found = place.find(unit); found != place.end()) weight.indices[found->second].push_back(static_cast<std::int64_t>(index));
    }
  }
  return weight;
}

UnitGroup published(const ChannelGroups& groups, const ChannelGroup& group) {
  UnitGroup made{.name = group.name, .units = static_cast<std::int64_t>(group.units.size()), .weights = {}};
  for (const std::size_t member : group.members) made.weights.push_back(weight_of(groups, group, groups.members()[member]));
  return made;
}

std::vector<double> checked(std::vector<double> scores, const UnitGroup& group) {
  const bool fits = static_cast<std::int64_t>(scores.size()) == group.units;
  if (fits && std::ranges::all_of(scores, [](double score) { return std::isfinite(score); })) return scores;
  throw Error(ErrorCode::usage, "the plugin's scores of " + group.name + " are " + (fits ? "not finite" : std::to_string(scores.size()) + " for " + std::to_string(group.units) + " units"), {},
              "UnitScores gives one finite number for each unit of the group");
}

}  // namespace

Pruning::Pruning() : options_(std::make_unique<prune::Options>()) {}
Pruning::~Pruning() = default;
Pruning::Pruning(const Pruning& other) : options_(std::make_unique<prune::Options>(*other.options_)) {}
Pruning::Pruning(Pruning&&) noexcept = default;
Pruning& Pruning::operator=(Pruning other) {
  options_.swap(other.options_);
  return *this;
}

void Pruning::fields(FieldVisitor& visit) { options_->fields_but_importance(visit); }
std::vector<Need> Pruning::needs() const { return prune::needs_of(*options_); }
std::vector<Problem> Pruning::check(const Model& model) const { return prune::check(model, *options_); }

PassResult Pruning::run(Model& model, const UnitScores& scores, PassContext& context) const {
  prune::Options options = *options_;
  options.importance.own = [&](const Model& of, const ChannelGroups& groups, const ChannelGroup& group) {
    const UnitGroup made = published(groups, group);
    return checked(scores(of, made), made);
  };
  return prune::prune_channels(model, options, context);
}

}  // namespace dsc
