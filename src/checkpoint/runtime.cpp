#include "checkpoint/runtime.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace dsc::checkpoint {
namespace {

// Modules with the same problem are one problem; the first stands for all.
class Refusals {
 public:
  void add(const std::string& reason, const std::string& module, const std::string& hint) {
    auto& entry = entries_[reason];
    if (entry.count++ == 0) {
      entry.module = module;
      entry.hint = hint;
      order_.push_back(reason);
    }
  }

  std::vector<Finding> findings() const {
    std::vector<Finding> list;
    for (const auto& reason : order_) {
      const auto& entry = entries_.at(reason);
      const auto others = entry.count > 1 ? " and " + std::to_string(entry.count - 1) + " more" : "";
      list.push_back({ErrorCode::unsupported, {reason + ": `" + entry.module + "`" + others, {}, entry.hint}});
    }
    return list;
  }

 private:
  struct Entry {
    std::string module, hint;
    std::size_t count = 0;
  };
  std::map<std::string, Entry> entries_;
  std::vector<std::string> order_;
};

std::string way_of(const TensorPlan& tensor) {
  if (!tensor.scheme) return "not rounded";
  auto scheme = *tensor.scheme;
  scheme.weights.scales = Scales::minmax;
  return to_string(scheme);
}

// Modules that the reader joins to one matrix, or one kernel, must be rounded alike.
void check_joined(const Plan& plan, Refusals& refusals) {
  std::map<std::string, std::string> way_of_whole;
  for (const auto& tensor : plan.tensors) {
    const bool is_layer = tensor.scheme || !tensor.kept_because.empty();
    if (!is_layer) continue;
    const auto module = plan.source.tensors[tensor.tensor].module();
    const auto experts = experts_of(module);
    const auto whole = experts ? experts : joined_as(module);
    if (!whole) continue;
    const auto [entry, is_new] = way_of_whole.emplace(*whole, way_of(tensor));
    if (is_new || entry->second == way_of(tensor)) continue;
    refusals.add(experts ? "vLLM runs all experts of a layer in one kernel, and they are rounded in different ways (" + entry->second + "; " + way_of(tensor) + ")"
                         : "vLLM joins these matrices to one, and they are rounded in different ways (" + entry->second + "; " + way_of(tensor) + ")",
                 *whole, "give them the same precision in `layers`");
  }
}

void check_vllm(const Plan& plan, Refusals& refusals) {
  static constexpr std::array<std::int64_t, 4> kGroups = {0, 32, 64, 128};
  for (const auto& tensor : plan.tensors) {
    if (!tensor.scheme) continue;
    const auto& weights = tensor.scheme->weights;
    const auto module = plan.source.tensors[tensor.tensor].module();
    if (weights.bits != 4 && weights.bits != 8) refusals.add("vLLM has kernels for 4 and 8 bits, not for " + std::to_string(weights.bits), module, "weights: {bits: 4}");
    if (std::find(kGroups.begin(), kGroups.end(), weights.group_size) == kGroups.end()) {
      refusals.add("vLLM has kernels for groups of 32, 64 and 128 and for rows, not for " + std::to_string(weights.group_size), module, "weights: {group_size: 128}");
    }
    if (tensor.role == Role::expert && !weights.symmetric) refusals.add("vLLM reads no zero points of experts", module, "weights: {symmetric: true} for them");
    if (tensor.role == Role::embedding) refusals.add("vLLM looks up embeddings in floating point", module, "take it out of `layers`");
  }
  check_joined(plan, refusals);
}

}  // namespace

std::vector<Finding> check_runtime(const Plan& plan) {
  Refusals refusals;
  const auto& options = plan.options;
  if (options.format == Format::gguf) {
    if (options.runtime == Runtime::vllm) refusals.add("vLLM runs compressed-tensors, GGUF by way of trial only", plan.source.folder, "runtime: llama_cpp");
  } else if (options.runtime == Runtime::llama_cpp) {
    refusals.add("llama.cpp reads GGUF files, not " + to_text(options.format), plan.source.folder, "format: gguf, or runtime: transformers or vllm");
  } else if (options.format == Format::compressed_tensors) {
    static constexpr std::array<std::string_view, 3> kTransposed = {"gpt2", "openai-gpt", "imagegpt"};
    if (std::find(kTransposed.begin(), kTransposed.end(), plan.source.model_type) != kTransposed.end()) {
      refusals.add("readers of compressed-tensors know linear layers, and `" + plan.source.model_type + "` has transposed ones (Conv1D)", plan.source.folder,
                   "format: safetensors");
    }
    if (options.runtime == Runtime::vllm) check_vllm(plan, refusals);
    for (const auto& tensor : plan.tensors) {
      if (tensor.scheme && tensor.role == Role::embedding && options.runtime == Runtime::transformers) {
        refusals.add("Transformers decompresses linear layers only", plan.source.tensors[tensor.tensor].module(), "take it out of `layers`");
      }
    }
  }
  return refusals.findings();
}

}  // namespace dsc::checkpoint
