#include <ATen/Functions.h>

#include <algorithm>
#include <openvino/openvino.hpp>

#include "deploy/language_model.h"
#include "deploy/openvino_types.h"
#include "deploy/token_steps.h"

namespace dsc {

struct LanguageModel::State {
  TokenSteps steps;
};

LanguageModel::LanguageModel(const std::string& path, const OpenVinoOptions& options) {
  std::vector<std::string> names;
  for (const auto& input : read_openvino_ports(path).inputs) names.push_back(input.name);
  const bool takes_beams = std::find(names.begin(), names.end(), "beam_idx") != names.end() && std::find(names.begin(), names.end(), "input_ids") != names.end();
  if (!takes_beams) {
    throw Error(ErrorCode::unsupported, "this model keeps no keys and values from token to token: it has no inputs input_ids and beam_idx", {.file = path},
                "write one with dscompress export MODEL.pt2 --to " + path + " --stateful");
  }
  const auto model = translating([&] { return openvino_core().read_model(path); }, ErrorCode::model_file);
  state_ = std::make_unique<State>(State{TokenSteps(compile_openvino(model, options), std::move(names))});
}

LanguageModel::~LanguageModel() = default;

void LanguageModel::forget() { state_->steps.forget(); }

at::Tensor LanguageModel::next(const std::vector<std::int64_t>& ids) {
  const at::Tensor logits = state_->steps.step(at::tensor(ids, at::kLong).unsqueeze(0));
  return logits.select(1, -1).flatten().to(at::kFloat);
}

std::string LanguageModel::engine() const { return state_->steps.engine().name(); }

}  // namespace dsc
