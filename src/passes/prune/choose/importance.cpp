// l1, l2: norm of the unit's weights (Li et al. 2017, arXiv:1608.08710). bn_scale: |gamma| (Liu et al. 2017,
// arXiv:1708.06519). fpgm: distance to the other filters (He et al. 2019, arXiv:1811.00250). lamp: norm relative to all
// larger ones (Lee et al. 2021, arXiv:2010.07611). taylor, hessian: saliency.h. activation: activation.h.
// routing, reap: expert_use.h.
#include "passes/prune/choose/importance.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/cdist.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "core/random.h"
#include "ops/op_traits.h"
#include "passes/prune/choose/activation.h"
#include "passes/prune/choose/expert_use.h"
#include "passes/prune/choose/saliency.h"

namespace dsc::prune {
namespace {

// A score for each index of dimension `dim`.
std::vector<double> to_vector(const at::Tensor& scores) {
  at::Tensor values = scores.to(at::kDouble).contiguous();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

// --- of weights: a score for each row of [indices, the rest] ---

at::Tensor sum_of_magnitudes(const at::Tensor& rows) { return rows.abs().sum(1); }
at::Tensor sum_of_squares(const at::Tensor& rows) { return rows.square().sum(1); }
at::Tensor sum_of_distances(const at::Tensor& rows) { return at::cdist(rows.unsqueeze(0), rows.unsqueeze(0)).squeeze(0).sum(1); }

// Each value over the sum of all that are at least as large.
void relate_to_larger(std::vector<double>& scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  double sum = 0;
  for (std::size_t i : order) {
    sum += scores[i];
    if (sum > 0) scores[i] /= sum;
  }
}

enum class Source : std::uint8_t { weights, gradients, activations, experts, nothing };

// What an importance is made of. One row for each enumerator, in order.
struct Definition {
  std::string_view name;
  Source source = Source::weights;
  at::Tensor (*of_rows)(const at::Tensor& rows) = nullptr;                   // of weights
  std::map<std::string, at::Tensor> Saliencies::* terms = nullptr;           // of gradients
  double (*of_unit)(double sum) = [](double sum) { return std::abs(sum); };  // from the sum over a unit's indices
  void (*of_group)(std::vector<double>& scores) = nullptr;                   // what is done to a group's scores at the end
  bool of_norm_scales = false;                                               // only scales of normalisations count, where a group has any
};
constexpr std::array kDefinitions{
    Definition{.name = "l1", .of_rows = sum_of_magnitudes},
    Definition{.name = "l2", .of_rows = sum_of_squares, .of_unit = [](double sum) { return std::sqrt(sum); }},
    Definition{.name = "bn_scale", .of_rows = sum_of_magnitudes, .of_norm_scales = true},
    Definition{.name = "fpgm", .of_rows = sum_of_distances},
    Definition{.name = "lamp", .of_rows = sum_of_squares, .of_group = relate_to_larger},
    Definition{.name = "taylor", .source = Source::gradients, .terms = &Saliencies::first_order},
    Definition{.name = "hessian", .source = Source::gradients, .terms = &Saliencies::second_order},
    Definition{.name = "activation", .source = Source::activations},
    Definition{.name = "routing", .source = Source::experts},
    Definition{.name = "reap", .source = Source::experts},
    Definition{.name = "random", .source = Source::nothing},
};
static_assert(kDefinitions.size() == static_cast<std::size_t>(Importance::random) + 1, "one row for each importance");

const Definition& definition_of(Importance importance) { return kDefinitions[static_cast<std::size_t>(importance)]; }

std::vector<double> index_scores(const Definition& definition, const at::Tensor& weight, std::int64_t dim) {
  return to_vector(definition.of_rows(weight.detach().to(at::kFloat).transpose(0, dim).reshape({weight.size(dim), -1})));
}

bool is_norm_scale(const Member& member) {
  return std::ranges::any_of(member.value->uses(), [&](const Use& use) {
    return use.node && traits_of(*use.node).normalises && use.node->find_value("weight") == member.value;
  });
}

// The members whose weights a score is made of; falls back on all when a group has none of the wanted kind.
std::vector<const Member*> counted_members(const ChannelGroups& groups, const ChannelGroup& group, const ImportanceOptions& options) {
  auto select = [&](auto&& wanted) {
    std::vector<const Member*> chosen;
    for (std::size_t m : group.members) {
      if (wanted(groups.members()[m])) chosen.push_back(&groups.members()[m]);
    }
    return chosen;
  };
  std::vector<const Member*> chosen;
  if (definition_of(options.importance).of_norm_scales) {
    chosen = select([](const Member& m) { return is_norm_scale(m); });
  } else if (options.members == Members::producers) {
    chosen = select([](const Member& m) { return m.role == Role::produces && m.value->tensor().rank() > 1; });
  }
  if (chosen.empty()) {
    chosen = select([](const Member& m) { return m.value->tensor().rank() > 1 && (m.role == Role::produces || m.role == Role::consumes); });
  }
  if (chosen.empty()) chosen = select([](const Member&) { return true; });
  return chosen;
}

void combine(Combine how, double score, double& total) {
  switch (how) {
    case Combine::max: total = std::max(total, score); break;
    case Combine::product: total += std::log(std::max(score, 1e-30)); break;
    case Combine::mean:
    case Combine::sum:
      total += score;
      break;
  }
}

void normalize(Normalize how, std::vector<double>& scores) {
  double sum = std::accumulate(scores.begin(), scores.end(), 0.0), mean = sum / static_cast<double>(scores.size());
  double scale = 1, shift = 0;
  switch (how) {
    case Normalize::none: break;
    case Normalize::mean: scale = mean; break;
    case Normalize::max: scale = *std::ranges::max_element(scores); break;
    case Normalize::sum: scale = sum; break;
    case Normalize::standardize: {
      double squares = 0;
      for (double score : scores) squares += (score - mean) * (score - mean);
      scale = std::sqrt(squares / static_cast<double>(scores.size()));
      shift = mean;
    }
  }
  for (double& score : scores) score = (score - shift) / (scale > 0 ? scale : 1);
}

// Scores by index of a member's weight dimension.
using IndexScores = std::function<std::vector<double>(const Member& member)>;

// The scores of a group's units from those of its members' indices.
std::vector<double> scores_of_group(const ChannelGroups& groups, const ChannelGroup& group, const ImportanceOptions& options, const IndexScores& by_index) {
  std::vector<const Member*> members = counted_members(groups, group, options);
  const auto of_unit = definition_of(options.importance).of_unit;
  std::unordered_map<UnitId, std::size_t> position;
  for (std::size_t i = 0; i < group.units.size(); ++i) position[group.units[i]] = i;
  std::vector<double> scores(group.units.size(), 0);
  for (const Member* member : members) {
    std::vector<double> index_scores = by_index(*member), member_scores(group.units.size(), 0);
    std::span<const std::int32_t> labels = groups.labels(member->axis);
    for (std::size_t k = 0; k < labels.size(); ++k) {
      for (UnitId unit : groups.units(labels[k])) {
        auto found = position.find(unit);
        if (found != position.end()) member_scores[found->second] += index_scores[k];
      }
    }
    for (std::size_t i = 0; i < scores.size(); ++i) {
      combine(options.combine, of_unit(member_scores[i]), scores[i]);
    }
  }
  for (double& score : scores) {
    if (options.combine == Combine::mean) score /= static_cast<double>(members.size());
    if (options.combine == Combine::product) score = std::exp(score / static_cast<double>(members.size()));
  }
  return scores;
}

GroupScores of_units(std::vector<double> scores) {
  return [scores = std::move(scores)](const Model&, const ChannelGroups&, const ChannelGroup& group) {
    std::vector<double> own;
    for (UnitId unit : group.units) own.push_back(scores[static_cast<std::size_t>(unit)]);
    return own;
  };
}

// Measures what the definition is made of; the result gives the scores of one group after another.
GroupScores measure(const Definition& definition, const Model& model, const ChannelGroups& groups, const ImportanceOptions& options, PassContext& context, std::uint64_t seed) {
  switch (definition.source) {
    case Source::nothing:
      return [random = Random(derive_seed(seed, "prune.random"))](const Model&, const ChannelGroups&, const ChannelGroup& group) mutable {
        std::vector<double> scores(group.units.size());
        for (double& score : scores) score = random.uniform();
        return scores;
      };
    case Source::activations:
      return of_units(measure_activations(model, groups, options, context, seed));
    case Source::experts: {
      const ExpertUse use = options.importance == Importance::reap ? ExpertUse::reap : ExpertUse::routing;
      return of_units(measure_expert_use(use, model, groups, options, context, seed));
    }
    case Source::weights:
      return [&definition, options](const Model& of, const ChannelGroups& all, const ChannelGroup& group) {
        return scores_of_group(all, group, options, [&](const Member& member) { return index_scores(definition, of.weights.get(member.weight), member.dim); });
      };
    case Source::gradients:
      return [&definition, options, saliencies = measure_saliencies(model, options, context, seed)](const Model&, const ChannelGroups& all, const ChannelGroup& group) {
        return scores_of_group(all, group, options, [&](const Member& member) {
          return saliency_by_index(saliencies.*definition.terms, member.weight, member.dim, static_cast<std::int64_t>(all.labels(member.axis).size()));
        });
      };
  }
  throw Error(ErrorCode::internal, "an importance of no known source");
}

}  // namespace

std::span<const std::string_view> enum_names(Importance) {
  static constexpr auto kNames = [] {
    std::array<std::string_view, kDefinitions.size()> names;
    for (std::size_t i = 0; i < names.size(); ++i) names[i] = kDefinitions[i].name;
    return names;
  }();
  return kNames;
}
std::span<const std::string_view> enum_names(Combine) {
  static constexpr std::array<std::string_view, 4> kNames{"mean", "sum", "max", "product"};
  return kNames;
}
std::span<const std::string_view> enum_names(Normalize) {
  static constexpr std::array<std::string_view, 5> kNames{"none", "mean", "max", "sum", "standardize"};
  return kNames;
}
std::span<const std::string_view> enum_names(Members) {
  static constexpr std::array<std::string_view, 2> kNames{"producers", "all"};
  return kNames;
}

void ImportanceOptions::fields(FieldVisitor& visit) {
  visit("importance", importance,
        {.text = "What makes a channel matter; routing (how often it is chosen) and reap (what the mixture gets from it when it is) are measured of "
                 "experts."});
  visit("combine", combine, {.text = "How the scores of the layers that share a channel become one."});
  visit("members", members, {.text = "Layers that count: those that make the channel, or those that read it as well."});
  visit("importance_batches", batches, {.text = "Batches of data for importances that need gradients or activations.", .minimum = 1});
  visit("importance_batch", batch, {.text = "Examples in each of those batches.", .minimum = 1});
}

bool needs_gradients(const ImportanceOptions& options) { return !options.own && definition_of(options.importance).source == Source::gradients; }
bool needs_activations(const ImportanceOptions& options) {
  return !options.own && (definition_of(options.importance).source == Source::activations || measures_experts(options));
}
bool measures_experts(const ImportanceOptions& options) { return !options.own && definition_of(options.importance).source == Source::experts; }

std::vector<double> unit_scores(const Model& model, const ChannelGroups& groups, const ImportanceOptions& given,
                                PassContext& context, std::uint64_t seed) {
  ImportanceOptions options = given;
  if (context.dry_run() && (needs_gradients(given) || needs_activations(given))) options.importance = Importance::l1;
  const Definition& definition = definition_of(options.importance);
  const GroupScores score = options.own ? options.own : measure(definition, model, groups, options, context, seed);
  std::vector<double> scores(groups.unit_count(), 0);
  for (const ChannelGroup& group : groups.groups()) {
    std::vector<double> own = score(model, groups, group);
    if (definition.of_group && !options.own) definition.of_group(own);
    normalize(options.normalize, own);
    for (std::size_t i = 0; i < own.size(); ++i) scores[static_cast<std::size_t>(group.units[i])] = own[i];
  }
  return scores;
}

}  // namespace dsc::prune
