#include "attack/adversary.h"

#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <utility>

#include "core/random.h"
#include "data/class_dimension.h"
#include "data/matching_output.h"
#include "ir/describe.h"

namespace dsc {
namespace {

at::Tensor per_channel(const std::vector<float>& values, const std::string& device) {
  return at::tensor(values, at::kFloat).reshape({-1, 1, 1}).to(c10::Device(device));
}

// Uniform in [-1, 1], of each example its own.
at::Tensor start_noise(at::IntArrayRef sizes, const std::vector<std::int64_t>& examples, std::uint64_t seed) {
  at::Tensor noise = at::zeros(sizes, at::kFloat);
  const std::int64_t values = examples.empty() ? 0 : noise.numel() / noise.size(0);
  auto* out = noise.mutable_data_ptr<float>();
  for (const auto example : examples) {
    Random random(derive_seed(seed, "start", static_cast<std::uint64_t>(example)));
    for (std::int64_t i = 0; i < values; ++i) *out++ = static_cast<float>(2 * random.uniform() - 1);
  }
  return noise;
}

// Cross-entropy of each example, over its positions where it has several.
Judgement cross_entropies(const at::Tensor& scores, const Batch& batch) {
  const auto dim = batch.soft_target ? std::optional<std::int64_t>(1) : class_dimension(scores, batch.target);
  if (!dim) {
    throw Error(ErrorCode::data, "an attack raises the cross-entropy of classes, and the model's output " + describe_sizes(scores) + " does not fit the labels " + describe_sizes(batch.target), {},
                "attacks are for classifiers");
  }
  const at::Tensor by_class = scores.movedim(*dim, 1);
  const at::Tensor target = batch.soft_target ? at::cat({batch.target, at::zeros({scores.size(0), scores.size(1) - batch.target.size(1)}, batch.target.options())}, 1) : batch.target;
  const at::Tensor losses = at::cross_entropy_loss(by_class, target, {}, at::Reduction::None, kNoLabel);
  const at::Tensor labels = batch.soft_target ? target.argmax(1) : target;
  const at::Tensor wrong = by_class.argmax(1) != labels;
  if (wrong.dim() == 1) return {losses, wrong};
  return {losses.flatten(1).mean(1), wrong.flatten(1).all(1)};
}

}  // namespace

std::optional<Problem> problem_with_attack(const std::string& attack, const DatasetInfo& info) {
  const bool integers = !info.inputs.empty() && !is_floating(info.inputs.front().dtype) && info.inputs.front().rank() == 3;
  if (integers) {
    return Problem{"`" + attack + "` follows gradients to the pixels, and the model takes them as integers (" + std::string(to_string(info.inputs.front().dtype)) + "), which have none", {},
                   "export the model with floating-point inputs, or use corruptions"};
  }
  if (!info.pixels || info.inputs.size() != 1) {
    return Problem{"`" + attack + "` changes pixels, and the data holds no pictures: " + info.description, {}, "attacks are for images: cifar10, mnist, image_folder, or one u8 column [N, C, H, W] of tensors"};
  }
  if (!info.classes) return Problem{"`" + attack + "` raises the loss of the right class, and the data has no class labels: " + info.description, {}, "give labels, or use corruptions"};
  return std::nullopt;
}

Adversary::Adversary(const Graph& graph, const Weights& weights, const DatasetInfo& info, Attack attack, const std::string& device)
    : executor_(graph, weights, {.device = device, .record_gradients = true}),
      attack_(std::move(attack)),
      mean_(per_channel(info.pixels->mean, device)),
      std_(per_channel(info.pixels->std, device)) {
  for (const GraphInput& input : graph.inputs()) {
    if (input.value && input.is_weight()) weights_.push_back(input.target);
  }
}

void Adversary::follow(const Executor& executor) {
  for (const auto& name : weights_) executor_.set_weight(name, executor.weight(name));
}

Judgement Adversary::judge(const at::Tensor& pictures, const Batch& batch) {
  const at::Tensor& inputs = batch.inputs.front();
  at::Tensor normalized = ((pictures - mean_) / std_).to(inputs.scalar_type());
  const auto examples = pictures.size(0);
  if (batch.filler > 0) normalized = at::cat({normalized, inputs.narrow(0, examples, batch.filler)});
  const at::Tensor scores = matching_output(executor_.run({normalized}), batch.target).to(at::kFloat);
  return cross_entropies(scores.narrow(0, 0, examples), batch);
}

std::vector<at::Tensor> Adversary::inputs(const Batch& batch, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  const auto home = batch.inputs.front().device();
  Batch moved = batch;
  moved.inputs = {batch.inputs.front().to(mean_.device())};
  moved.target = batch.target.to(mean_.device());
  const at::Tensor& given = moved.inputs.front();
  const auto examples = static_cast<std::int64_t>(batch.indices.size());
  const at::Tensor clean = (given.narrow(0, 0, examples).to(at::kFloat) * std_ + mean_).clamp(0, 1);
  const at::Tensor noise = start_noise(clean.sizes(), batch.indices, seed).to(mean_.device());
  const at::Tensor attacked = attack_pictures(attack_, clean, noise, [&](const at::Tensor& pictures) { return judge(pictures, moved); });
  const at::Tensor normalized = ((attacked - mean_) / std_).to(given.scalar_type());
  return {(batch.filler > 0 ? at::cat({normalized, given.narrow(0, examples, batch.filler)}) : normalized).to(home)};
}

}  // namespace dsc
