#include "passes/prune/choose/activation.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/random.h"
#include "data/dataset.h"
#include "exec/executor.h"
#include "ops/arguments.h"
#include "train/parallel.h"

namespace dsc::prune {
namespace {

// A dimension of an activation that units of some group lie in.
struct Site {
  const Value* value = nullptr;
  std::int64_t dim = 0;
  bool operator<(const Site& other) const { return std::pair(value->name(), dim) < std::pair(other.value->name(), other.dim); }
};

bool holds_group(const ChannelGroups& groups, std::int32_t axis, const ChannelGroup& group) {
  return axis >= 0 && std::ranges::any_of(groups.labels(axis), [&](std::int32_t label) {
           return std::ranges::find(groups.units(label), group.units.front()) != groups.units(label).end();
         });
}

// Dimensions of the tensors that the layers with this role read (or make) the group's units in.
std::set<Site> sites_of(const Graph& graph, const ChannelGroups& groups, const ChannelGroup& group, Role role) {
  std::set<Site> sites;
  for (std::size_t m : group.members) {
    const Member& member = groups.members()[m];
    if (member.role != role) continue;
    for (const Use& use : member.value->uses()) {
      if (!use.node) continue;
      for (const Value* value : role == Role::consumes ? tensor_arguments(*use.node) : use.node->outputs()) {
        const GraphInput* input = graph.find_input(value);
        if (!value->is_tensor() || (input && input->is_weight())) continue;
        for (std::int64_t dim = 0; dim < value->tensor().rank(); ++dim) {
          if (holds_group(groups, groups.axis_of(value, dim), group)) sites.insert({value, dim});
        }
      }
    }
  }
  return sites;
}

// Over the examples of all ranks, of which one that had no batch knows no sums. own: sums over this rank's `examples`.
std::map<Site, at::Tensor> means_of_all(Ranks& ranks, const std::set<Site>& sites, const std::map<Site, at::Tensor>& own, double examples) {
  const at::Tensor total = at::tensor({examples}, at::kDouble);
  ranks.sum({total});
  std::map<Site, at::Tensor> means;
  for (const Site& site : sites) {
    const auto known = own.find(site);
    const at::Tensor sum = known == own.end() ? at::empty({0}, at::kDouble) : known->second.cpu();
    for (std::int64_t rank = 0; rank < ranks.size(); ++rank) {
      const at::Tensor part = ranks.from(rank, sum);
      at::Tensor& mean = means[site];
      if (part.numel() > 0) mean = mean.defined() ? mean + part : part;
    }
  }
  for (auto& [site, mean] : means) mean = (mean / total).contiguous();
  return means;
}

// Mean of |x| by index of each site's dimension.
std::map<Site, at::Tensor> measure_sites(const Model& model, const std::set<Site>& sites, const ImportanceOptions& options,
                                         PassContext& context, std::uint64_t seed) {
  std::map<Site, at::Tensor> sums;
  std::vector<const Value*> values;
  for (const Site& site : sites) {
    if (values.empty() || values.back() != site.value) values.push_back(site.value);
  }
  const auto examples = watch_values(model, values, options, context, seed, [&](const Value& value, const at::Tensor& tensor, std::int64_t count) {
    for (auto site = sites.lower_bound({&value, 0}); site != sites.end() && site->value == &value; ++site) {
      at::Tensor rows = tensor.detach().transpose(0, site->dim).reshape({tensor.size(site->dim), -1}).to(at::kFloat);
      at::Tensor mean = rows.abs().mean(1).to(at::kDouble) * static_cast<double>(count);
      at::Tensor& sum = sums[*site];
      sum = sum.defined() ? sum + mean : mean;
    }
  });
  return means_of_all(ranks_of(context), sites, sums, static_cast<double>(examples));
}

}  // namespace

std::int64_t watch_values(const Model& model, const std::vector<const Value*>& values, const ImportanceOptions& options, PassContext& context,
                          std::uint64_t seed, const std::function<void(const Value& value, const at::Tensor& tensor, std::int64_t examples)>& see) {
  c10::NoGradGuard no_grad;
  Executor executor(model, {.device = context.device()});
  const Split split = context.has_data(Split::calibration) ? Split::calibration : Split::train;
  BatchLoader loader(context.data(split), {.batch = options.batch, .shuffle = true, .seed = derive_seed(seed, "prune.activation"),
                                              .limit = options.batches * options.batch});
  std::int64_t total = 0;
  Turns turns(ranks_of(context));
  while (std::optional<Batch> batch = loader.next()) {
    context.check_cancelled();
    if (!turns.next_is_own()) continue;
    const auto examples = static_cast<std::int64_t>(batch->indices.size());
    total += examples;
    executor.run(batch->inputs, values, [&](const Value& value, const at::Tensor& tensor) { see(value, tensor, examples); });
  }
  return total;
}

std::vector<double> measure_activations(const Model& model, const ChannelGroups& groups, const ImportanceOptions& options, PassContext& context,
                                        std::uint64_t seed) {
  std::vector<std::set<Site>> sites_by_group;
  std::set<Site> all;
  for (const ChannelGroup& group : groups.groups()) {
    std::set<Site> sites = sites_of(model.graph, groups, group, Role::consumes);
    if (sites.empty()) sites = sites_of(model.graph, groups, group, Role::produces);
    all.insert(sites.begin(), sites.end());
    sites_by_group.push_back(std::move(sites));
  }
  std::map<Site, at::Tensor> means = measure_sites(model, all, options, context, seed);
  std::vector<double> scores(groups.unit_count(), 0);
  for (std::size_t g = 0; g < sites_by_group.size(); ++g) {
    std::map<UnitId, std::pair<double, std::int64_t>> sum_and_count;
    for (UnitId unit : groups.groups()[g].units) sum_and_count[unit];
    for (const Site& site : sites_by_group[g]) {
      std::span<const std::int32_t> labels = groups.labels(groups.axis_of(site.value, site.dim));
      for (std::size_t k = 0; k < labels.size(); ++k) {
        for (UnitId unit : groups.units(labels[k])) {
          auto found = sum_and_count.find(unit);
          if (found == sum_and_count.end()) continue;
          found->second.first += means.at(site).const_data_ptr<double>()[k];
          ++found->second.second;
        }
      }
    }
    for (const auto& [unit, pair] : sum_and_count) {
      if (pair.second > 0) scores[static_cast<std::size_t>(unit)] = pair.first / static_cast<double>(pair.second);
    }
  }
  return scores;
}

}  // namespace dsc::prune
