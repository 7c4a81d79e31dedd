#include "pipeline/predictions.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "core/hash.h"
#include "dscompress/error.h"
#include "io/safetensors.h"

namespace dsc {
namespace {

constexpr const char* kPredictionsFormat = "dscompress-predictions-1";
const std::string kExamples = "examples";
const std::string kAgainst = ".against";

template <class T>
at::Tensor to_tensor(const std::vector<T>& values, at::ScalarType type) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, type);
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<T>());
  return tensor;
}

template <class T>
std::vector<T> to_vector(const at::Tensor& tensor, at::ScalarType type, const std::string& name, const std::string& path) {
  if (tensor.scalar_type() != type || tensor.dim() != 1) {
    throw Error(ErrorCode::model_file, "the tensor " + name + " is not one of a run's predictions", {.file = path}, "compress again, or name another run");
  }
  return {tensor.const_data_ptr<T>(), tensor.const_data_ptr<T>() + tensor.numel()};
}

}  // namespace

void Predictions::keep(const std::string& model, Evaluation&& evaluation) {
  examples = std::move(evaluation.examples);
  models[model] = std::move(evaluation.outcomes);
}

std::optional<PredictionsRecord> Predictions::record() const {
  if (examples.empty()) return std::nullopt;
  const auto* bytes = reinterpret_cast<const char*>(examples.data());
  return PredictionsRecord{kPredictionsFile, fingerprint({bytes, examples.size() * sizeof(std::int64_t)}), static_cast<std::int64_t>(examples.size()), kMetricsVersion};
}

void write_predictions(const std::string& path, const Predictions& predictions) {
  TensorFile file{.tensors = {{kExamples, to_tensor(predictions.examples, at::kLong)}}, .metadata = {{"format", kPredictionsFormat}}};
  for (const auto& [model, metrics] : predictions.models) {
    for (const auto& [metric, outcomes] : metrics) {
      const auto name = model + "/" + metric;
      file.tensors.emplace_back(name, to_tensor(outcomes.value, at::kFloat));
      const bool ones = std::all_of(outcomes.against.begin(), outcomes.against.end(), [](float rows) { return rows == 1; });
      if (!ones) file.tensors.emplace_back(name + kAgainst, to_tensor(outcomes.against, at::kFloat));
    }
  }
  write_safetensors(path, file);
}

Predictions read_predictions(const std::string& path) {
  const auto file = read_safetensors(path);
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end() || format->second != kPredictionsFormat) {
    throw Error(ErrorCode::model_file, "this is not a run's predictions", {.file = path}, "compress again, or name another run");
  }
  Predictions predictions;
  for (const auto& [name, tensor] : file.tensors) {
    if (name == kExamples) {
      predictions.examples = to_vector<std::int64_t>(tensor, at::kLong, name, path);
      continue;
    }
    const bool against = name.ends_with(kAgainst);
    const auto whole = against ? name.substr(0, name.size() - kAgainst.size()) : name;
    const auto slash = whole.rfind('/');
    auto& outcomes = predictions.models[whole.substr(0, slash == std::string::npos ? 0 : slash)][whole.substr(slash + 1)];
    (against ? outcomes.against : outcomes.value) = to_vector<float>(tensor, at::kFloat, name, path);
  }
  for (auto& [model, metrics] : predictions.models) {
    for (auto& [metric, outcomes] : metrics) {
      if (outcomes.against.empty()) outcomes.against.assign(outcomes.value.size(), 1);
      if (outcomes.against.size() == outcomes.value.size()) continue;
      throw Error(ErrorCode::model_file, "the predictions of " + model + "/" + metric + " are incomplete", {.file = path}, "compress again, or name another run");
    }
  }
  return predictions;
}

}  // namespace dsc
