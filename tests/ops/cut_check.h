// Cutting and its decisive identity: a model without some units computes what it computed with their weights zeroed.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/random.h"
#include "exec/executor.h"
#include "ir/verify.h"
#include "ops/channel_groups.h"
#include "ops/cost.h"
#include "ops/cut.h"

namespace dsc::test {

// Random units of every group: about `share` of them, at least one where a group has two, never all.
inline Removal random_removal(const ChannelGroups& groups, double share, std::uint64_t seed, bool keep_statistics = false) {
  Removal removed = groups.nothing();
  std::uint64_t index = 0;
  for (const ChannelGroup& group : groups.groups()) {
    ++index;
    if (keep_statistics && !group.statistics.empty()) continue;
    auto size = static_cast<std::int64_t>(group.units.size());
    std::int64_t count = std::min<std::int64_t>(size - group.least, std::max<std::int64_t>(1, static_cast<std::int64_t>(share * static_cast<double>(size))));
    std::vector<std::int64_t> order = permutation(size, derive_seed(seed, "removal", index));
    for (std::int64_t i = 0; i < count; ++i) removed[static_cast<std::size_t>(group.units[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])])] = 1;
  }
  return removed;
}

inline std::vector<at::Tensor> run_model(const Model& model, const std::vector<at::Tensor>& inputs) {
  Executor executor(model, {});
  return executor.run(inputs);
}

inline double relative_error(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  EXPECT_EQ(a.size(), b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    EXPECT_EQ(a[i].sizes(), b[i].sizes());
    if (!a[i].is_floating_point() || a[i].sizes() != b[i].sizes()) continue;
    double scale = std::max(1e-6, b[i].abs().max().item<double>());
    double error = (a[i] - b[i]).abs().max().item<double>() / scale;
    worst = std::isfinite(error) && std::isfinite(worst) ? std::max(worst, error) : std::numeric_limits<double>::infinity();  // NaN equals nothing
  }
  return worst;
}

inline std::string describe(const ChannelGroups& groups) {
  std::string text;
  for (const ChannelGroup& group : groups.groups()) {
    text += group.name + ": " + std::to_string(group.units.size()) + (group.statistics.empty() ? "" : " statistics " + group.statistics) + "\n";
    for (std::size_t m : group.members) text += "    " + groups.members()[m].weight + "[" + std::to_string(groups.members()[m].dim) + "]\n";
  }
  for (const KeptDimension& kept : groups.kept_dimensions()) {
    if (kept.role != Role::produces && kept.role != Role::consumes) continue;
    text += "kept " + kept.weight + "[" + std::to_string(kept.dim) + "]: " + kept.reason + " (" + kept.operation + ")\n";
  }
  return text;
}

// Cuts, verifies, and compares with the zeroed model at the example's batch size. Outputs differ by at most `tolerance`.
inline void expect_cut_equals_zeroed(const Model& model, double share, std::uint64_t seed, double tolerance = 1e-5) {
  ChannelGroups groups(model);
  Removal removed = random_removal(groups, share, seed, true);
  Model zeroed = model.clone(), small = model.clone();
  zero_out(zeroed, ChannelGroups(zeroed), removed);
  ChannelGroups of_small(small);
  Cost predicted = CostModel(small, of_small).after(removed);
  cut(small, of_small, removed);
  for (const Problem& problem : verify(small)) ADD_FAILURE() << problem.message;
  EXPECT_DOUBLE_EQ(model_cost(small).macs, predicted.macs);
  EXPECT_DOUBLE_EQ(model_cost(small).parameters, predicted.parameters);
  for (std::int64_t batch : {0, 3}) {
    std::vector<at::Tensor> inputs = example_inputs(model, batch, seed);
    EXPECT_LE(relative_error(run_model(small, inputs), run_model(zeroed, inputs)), tolerance);
  }
}

}  // namespace dsc::test
