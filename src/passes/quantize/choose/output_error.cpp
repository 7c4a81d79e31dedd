#include "passes/quantize/choose/output_error.h"

#include <ATen/Functions.h>

#include <algorithm>

#include "exec/executor.h"

namespace dsc::quantize {
namespace {

std::vector<at::Tensor> floating(const std::vector<at::Tensor>& outputs) {
  std::vector<at::Tensor> list;
  for (const at::Tensor& output : outputs) {
    if (output.is_floating_point()) list.push_back(output.detach().to(at::kFloat));
  }
  return list;
}

double sum_of_squares(const at::Tensor& tensor) { return tensor.to(at::kDouble).square().sum().item<double>(); }

}  // namespace

OutputError::OutputError(const Model& model, const CalibrationOptions& samples, PassContext& context) : context_(context), samples_(samples, context) {
  Executor executor(model, {.device = context.device()});
  samples_.for_each([&](const std::vector<at::Tensor>& inputs) {
    outputs_.push_back(floating(executor.run(inputs)));
    for (const at::Tensor& output : outputs_.back()) squares_ += sum_of_squares(output);
  });
  if (!(squares_ > 0)) throw Error(ErrorCode::numeric, "the model's outputs on the calibration data are zero or not finite", {}, "check the model on this data with `eval`");
}

double OutputError::of(const Model& model) {
  Executor executor(model, {.device = context_.device()});
  double error = 0;
  std::size_t batch = 0;
  samples_.for_each([&](const std::vector<at::Tensor>& inputs) {
    const auto found = floating(executor.run(inputs));
    for (std::size_t i = 0; i < found.size(); ++i) error += sum_of_squares(found[i] - outputs_.at(batch).at(i));
    ++batch;
  });
  return error / squares_;
}

}  // namespace dsc::quantize
