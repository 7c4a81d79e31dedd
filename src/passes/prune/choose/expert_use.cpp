#include "passes/prune/choose/expert_use.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "ops/arguments.h"
#include "ops/experts.h"
#include "passes/prune/choose/activation.h"
#include "train/parallel.h"

namespace dsc::prune {
namespace {

// What is watched of one mixture.
struct Mixture {
  const ChannelGroup* group = nullptr;
  std::int32_t axis = 0;           // of the experts in their stack
  const Value* experts = nullptr;  // which one each row goes to
  const Value* outputs = nullptr;  // of each row, times its routing weight; null: not watched
  at::Tensor ids, rows;            // of the batch
  at::Tensor sums, counts;         // by expert, f64
};

// The product with the routing weights behind an expert layer's output: nothing stands between but what moves elements or adds a bias.
const Value* find_weighted(const Value* output) {
  static constexpr std::array<std::string_view, 8> kBetween{"aten.squeeze", "aten.view", "aten.reshape", "aten.transpose",
                                                            "aten.permute", "aten.add",  "aten.to",      "aten._to_copy"};
  for (const Value* value = output; value->uses().size() == 1 && value->uses().front().node; value = value->uses().front().node->output()) {
    const Node& node = *value->uses().front().node;
    if (node.outputs().size() != 1) return nullptr;
    if (plain_op(node) == "aten.mul") return node.output();
    if (std::ranges::find(kBetween, plain_op(node)) == kBetween.end()) return nullptr;
  }
  return nullptr;
}

// The layers of the group's experts, the last one's output behind all others.
std::optional<Mixture> find_mixture(const Model& model, const ChannelGroups& groups, const ChannelGroup& group, ExpertUse use) {
  std::optional<Mixture> mixture;
  for (Node* node : model.graph.nodes()) {
    const auto layer = find_expert_layer(model.graph, node);
    if (!layer) continue;
    const Value* stack = value_of(layer->stack);
    const auto member =
        std::ranges::find_if(group.members, [&](std::size_t m) { return groups.members()[m].value == stack && groups.members()[m].dim == 0; });
    if (member == group.members.end()) continue;
    mixture = Mixture{.group = &group, .axis = groups.members()[*member].axis, .experts = layer->experts, .outputs = find_weighted(node->output())};
  }
  if (!mixture || use == ExpertUse::routing) {
    if (mixture) mixture->outputs = nullptr;
    return mixture;
  }
  if (mixture->outputs) return mixture;
  throw Error(ErrorCode::unsupported, "reap: no routing weights multiply the outputs of the experts of " + group.name, {.pointer = "/importance"},
              "take importance: routing");
}

void count_rows(Mixture& mixture) {
  if (mixture.outputs && mixture.rows.size(0) != mixture.ids.numel()) {
    throw Error(ErrorCode::unsupported, "reap: the outputs of the experts of " + mixture.group->name + " are no rows of their own",
                {.pointer = "/importance"}, "take importance: routing");
  }
  const at::Tensor each = mixture.outputs ? mixture.rows.flatten(1).norm(2, 1) : at::ones({mixture.ids.numel()}, at::kDouble);
  mixture.counts.add_(at::bincount(mixture.ids, {}, mixture.counts.numel()));
  mixture.sums.index_add_(0, mixture.ids, each);
  mixture.ids = mixture.rows = at::Tensor();
}

at::Tensor scores_of(const Mixture& mixture) {
  return mixture.outputs ? mixture.sums / mixture.counts.clamp_min(1) : mixture.sums / mixture.counts.sum();
}

}  // namespace

std::vector<double> measure_expert_use(ExpertUse use, const Model& model, const ChannelGroups& groups, const ImportanceOptions& options,
                                       PassContext& context, std::uint64_t seed) {
  std::vector<Mixture> mixtures;
  for (const ChannelGroup& group : groups.groups()) {
    if (!group.is_chosen) continue;
    if (auto mixture = find_mixture(model, groups, group, use)) mixtures.push_back(std::move(*mixture));
  }
  std::vector<const Value*> values;
  std::vector<at::Tensor> totals;
  for (Mixture& mixture : mixtures) {
    for (at::Tensor* total : {&mixture.sums, &mixture.counts})
      totals.push_back(*total = at::zeros({std::ssize(groups.labels(mixture.axis))}, at::kDouble));
    for (const Value* value : {mixture.experts, mixture.outputs}) {
      if (value && std::ranges::find(values, value) == values.end()) values.push_back(value);
    }
  }
  watch_values(model, values, options, context, seed, [&](const Value& value, const at::Tensor& tensor, std::int64_t) {
    for (Mixture& mixture : mixtures) {
      if (mixture.experts == &value) mixture.ids = tensor.detach().reshape({-1}).to(at::kCPU, at::kLong);
      if (mixture.outputs == &value) mixture.rows = tensor.detach().to(at::kCPU, at::kDouble);
      if (mixture.ids.defined() && (!mixture.outputs || mixture.rows.defined())) count_rows(mixture);
    }
  });
  ranks_of(context).sum(totals);
  std::vector<double> scores(groups.unit_count(), 0);
  for (const Mixture& mixture : mixtures) {
    const at::Tensor of_experts = scores_of(mixture);
    const auto labels = groups.labels(mixture.axis);
    for (std::size_t e = 0; e < labels.size(); ++e) {
      for (const UnitId unit : groups.units(labels[e])) {
        if (std::ranges::find(mixture.group->units, unit) == mixture.group->units.end()) continue;  // of another group of the same experts
        scores[static_cast<std::size_t>(unit)] += of_experts.const_data_ptr<double>()[e];
      }
    }
  }
  return scores;
}

}  // namespace dsc::prune
