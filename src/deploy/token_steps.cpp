#include "deploy/token_steps.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <utility>

#include "dscompress/error.h"

namespace dsc {
namespace {

constexpr std::int64_t kSingleSteps = 3;

std::vector<std::string> user_inputs(const Graph& graph) {
  std::vector<std::string> names;
  for (const GraphInput& input : graph.inputs()) {
    if (input.kind == InputKind::user && input.value && input.value->is_tensor()) names.push_back(input.target);
  }
  return names;
}

class StepwiseEngine final : public Engine {
 public:
  StepwiseEngine(TokenSteps steps, std::vector<std::string> names) : steps_(std::move(steps)), names_(std::move(names)) {}

  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override {
    at::Tensor ids, mask;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (names_.at(i) == "input_ids") ids = inputs[i];
      if (names_.at(i) == "attention_mask") mask = inputs[i];
    }
    steps_.forget();
    const std::int64_t length = ids.size(1);
    std::int64_t done = std::max<std::int64_t>(1, length / 2);
    std::vector<at::Tensor> logits{steps_.step(ids.narrow(1, 0, done), mask_of(mask, done))};
    const at::Tensor turned = at::arange(ids.size(0) - 1, -1, -1, at::kLong);
    bool is_turned = false;
    for (std::int64_t single = 0; done < length; ++single) {
      const std::int64_t count = single < kSingleSteps ? 1 : length - done;
      is_turned = !is_turned;
      const auto placed = [&](const at::Tensor& rows) { return is_turned && rows.defined() ? rows.index_select(0, turned) : rows; };
      logits.push_back(placed(steps_.step(placed(ids.narrow(1, done, count)), placed(mask_of(mask, done + count)), turned)));
      done += count;
    }
    return {at::cat(logits, 1)};
  }
  std::string name() const override { return steps_.engine().name(); }

 private:
  static at::Tensor mask_of(const at::Tensor& mask, std::int64_t length) { return mask.defined() ? mask.narrow(1, 0, length) : mask; }

  TokenSteps steps_;
  std::vector<std::string> names_;
};

}  // namespace

TokenSteps::TokenSteps(std::unique_ptr<StatefulEngine> engine, std::vector<std::string> input_names) : engine_(std::move(engine)), input_names_(std::move(input_names)) {}

void TokenSteps::forget() {
  engine_->forget();
  past_ = 0;
}

at::Tensor TokenSteps::step(const at::Tensor& ids, const at::Tensor& mask, const at::Tensor& beams) {
  const std::int64_t batch = ids.size(0), count = ids.size(1);
  std::vector<at::Tensor> inputs;
  for (const std::string& name : input_names_) {
    if (name == "input_ids") inputs.push_back(ids);
    else if (name == "attention_mask") inputs.push_back(mask.defined() ? mask : at::ones({batch, past_ + count}, at::kLong));
    else if (name == "position_ids") inputs.push_back(at::arange(past_, past_ + count, at::kLong).unsqueeze(0).expand({batch, count}));
    else if (name == "beam_idx") inputs.push_back(beams.defined() ? beams : at::arange(batch, at::kInt));
    else throw Error(ErrorCode::unsupported, "the decoder takes the input `" + name + "`, which generation does not give");
  }
  past_ += count;
  return engine_->run(inputs).front();
}

std::unique_ptr<Engine> make_stepwise_engine(std::unique_ptr<StatefulEngine> decoder, std::vector<std::string> decoder_inputs, const Model& model) {
  return std::make_unique<StepwiseEngine>(TokenSteps(std::move(decoder), std::move(decoder_inputs)), user_inputs(model.graph));
}

}  // namespace dsc
