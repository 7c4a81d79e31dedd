// What a plan says, for people and for programs.
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "checkpoint/grids.h"
#include "checkpoint/plan.h"
#include "core/log.h"
#include "core/printed.h"

namespace dsc::checkpoint {
namespace {

using Json = nlohmann::ordered_json;

struct Sum {
  std::int64_t tensors = 0, parameters = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;
};

std::string way_of(const Plan& plan, const TensorPlan& tensor) {
  if (tensor.scheme) return to_string(*tensor.scheme);
  const auto& source = plan.source.tensors[tensor.tensor];
  const std::string as = element_of(source.dtype) ? std::string(dtype_of(tensor.element)) : source.dtype;
  return tensor.kept_because.empty() ? "vectors and others, " + as : "kept, " + as;
}

// In the order of their first appearance.
std::vector<std::pair<std::string, Sum>> sums_of(const Plan& plan) {
  std::vector<std::pair<std::string, Sum>> sums;
  for (const auto& tensor : plan.tensors) {
    const auto& source = plan.source.tensors[tensor.tensor];
    const auto way = way_of(plan, tensor);
    auto entry = std::find_if(sums.begin(), sums.end(), [&](const auto& sum) { return sum.first == way; });
    if (entry == sums.end()) entry = sums.insert(sums.end(), {way, {}});
    auto& sum = entry->second;
    ++sum.tensors;
    sum.parameters += source.rows() * source.columns();
    sum.bytes_in += source.bytes + (source.scale ? plan.source.tensors[*source.scale].bytes : 0);
    for (const auto& output : tensor.outputs) sum.bytes_out += output.stored.bytes();
  }
  return sums;
}

// Matrices that are not rounded: reason to modules, those that differ in numbers only as one.
using Kept = std::map<std::string, std::map<std::string, std::vector<std::string>>>;
Kept kept_modules(const Plan& plan) {
  Kept kept;
  for (const auto& tensor : plan.tensors) {
    if (tensor.kept_because.empty()) continue;
    const auto module = plan.source.tensors[tensor.tensor].module();
    kept[tensor.kept_because][pattern_of(module)].push_back(module);
  }
  return kept;
}

// Time of rounding one element on this processor, measured on a few rows.
double seconds_per_element(const Scheme& scheme) {
  const auto group = static_cast<std::size_t>(scheme.weights.group_size > 0 ? scheme.weights.group_size : 4096);
  constexpr std::size_t kElements = 1 << 16;
  std::vector<float> values(std::max(group, kElements));
  std::vector<std::uint8_t> codes(values.size());
  std::uint32_t state = 1;
  for (auto& value : values) value = static_cast<float>(static_cast<std::int32_t>(state = state * 1664525U + 1013904223U)) * 1e-11F;
  GroupRounder rounder({scheme.weights, Element::bf16, Element::bf16});
  const auto start = std::chrono::steady_clock::now();
  std::size_t done = 0;
  for (; done + group <= values.size(); done += group) rounder.round(values.data() + done, nullptr, group, codes.data() + done);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / static_cast<double>(done);
}

double compute_seconds(const Plan& plan) {
  std::vector<std::pair<Scheme, double>> known;
  double seconds = 0;
  for (const auto& tensor : plan.tensors) {
    if (!tensor.scheme) continue;
    auto entry = std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.first == *tensor.scheme; });
    if (entry == known.end()) entry = known.insert(known.end(), {*tensor.scheme, seconds_per_element(*tensor.scheme)});
    const auto& source = plan.source.tensors[tensor.tensor];
    seconds += entry->second * static_cast<double>(source.rows() * source.columns());
  }
  return seconds / static_cast<double>(plan.threads);
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

std::string kept_text(const Plan& plan) {
  std::string text;
  for (const auto& [reason, patterns] : kept_modules(plan)) {
    text += "  " + reason + ":\n";
    for (const auto& [pattern, modules] : patterns) {
      text += "    " + (modules.size() == 1 ? modules.front() : pattern + " (" + std::to_string(modules.size()) + ")") + "\n";
    }
  }
  return text;
}

}  // namespace

std::string plan_text(const Plan& plan) {
  const auto& source = plan.source;
  const auto bytes = [](auto value) { return format_bytes(static_cast<double>(value)); };
  std::string text = source.folder + (source.architecture.empty() ? "" : " (" + source.architecture + ")") + ": " + std::to_string(source.shards.size()) +
                     (source.shards.size() == 1 ? " shard, " : " shards, ") + bytes(source.bytes()) + "\n\n";
  text += printed("%-44s %9s %12s %10s %10s\n", "precision", "tensors", "parameters", "in", "out");
  for (const auto& [way, sum] : sums_of(plan)) {
    text += printed("%-44s %9lld %12s %10s %10s\n", way.c_str(), static_cast<long long>(sum.tensors), format_count(static_cast<double>(sum.parameters)).c_str(),
                    bytes(sum.bytes_in).c_str(), bytes(sum.bytes_out).c_str());
  }
  const auto kept = kept_text(plan);
  if (!kept.empty()) text += "\nmatrices that are kept:\n" + kept;
  text += "\ncopied: " + joined(plan.copied) + "\nleft out: " + joined(plan.left_out) + "\n";
  text += "result: " + to_text(plan.options.format) + " for " + to_text(plan.options.runtime) + ", " + std::to_string(plan.shards.size()) +
          (plan.shards.size() == 1 ? " shard, " : " shards, ") + bytes(plan.output_bytes()) +
          printed(" (%.2fx smaller)\n", static_cast<double>(source.bytes()) / static_cast<double>(std::max<std::uint64_t>(plan.output_bytes(), 1)));
  text += "memory: buffers of " + bytes(plan.buffer_bytes * plan.threads) + " on " + std::to_string(plan.threads) + " threads\n";
  text += "time: about " + format_duration(compute_seconds(plan)) + " of computing, reading and writing not counted\n";
  return text;
}

std::string plan_json(const Plan& plan) {
  Json groups = Json::array(), kept = Json::object();
  for (const auto& [way, sum] : sums_of(plan)) {
    groups.push_back({{"precision", way}, {"tensors", sum.tensors}, {"parameters", sum.parameters}, {"bytes_in", sum.bytes_in}, {"bytes_out", sum.bytes_out}});
  }
  for (const auto& [reason, patterns] : kept_modules(plan)) {
    for (const auto& [pattern, modules] : patterns) {
      for (const auto& module : modules) kept[reason].push_back(module);
    }
  }
  const Json json = {{"source", plan.source.folder},
                     {"architecture", plan.source.architecture},
                     {"bytes_in", plan.source.bytes()},
                     {"bytes_out", plan.output_bytes()},
                     {"shards_in", plan.source.shards.size()},
                     {"shards_out", plan.shards.size()},
                     {"precisions", groups},
                     {"kept", kept},
                     {"copied", plan.copied},
                     {"left_out", plan.left_out},
                     {"threads", plan.threads},
                     {"buffer_bytes", plan.buffer_bytes * plan.threads},
                     {"compute_seconds", compute_seconds(plan)}};
  return json.dump(2) + "\n";
}

}  // namespace dsc::checkpoint
