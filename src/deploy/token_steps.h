// Calls of a decoder that keeps keys and values, token by token. Included by deploy/openvino_*.cpp only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "deploy/openvino_compile.h"
#include "dscompress/model.h"

namespace dsc {

class TokenSteps {
 public:
  // input_names: of the decoder, in order.
  TokenSteps(std::unique_ptr<StatefulEngine> engine, std::vector<std::string> input_names);

  void forget();
  // ids: [batch, new]; mask: [batch, total] or undefined, no padding; beams: the row of the last call that each row goes on
  // from, undefined: its own. returns: [batch, new, vocabulary].
  at::Tensor step(const at::Tensor& ids, const at::Tensor& mask = {}, const at::Tensor& beams = {});
  const Engine& engine() const { return *engine_; }

 private:
  std::unique_ptr<StatefulEngine> engine_;
  std::vector<std::string> input_names_;
  std::int64_t past_ = 0;
};

// Runs `steps` as if it were the whole graph of `model`: a beginning at once, then token by token, rows changing their places
// from call to call, the rest at once. For checks.
std::unique_ptr<Engine> make_stepwise_engine(std::unique_ptr<StatefulEngine> decoder, std::vector<std::string> decoder_inputs, const Model& model);

}  // namespace dsc
