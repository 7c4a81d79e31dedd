#include "attack/attack.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/max.h>
#include <ATen/ops/min.h>

#include "dscompress/error.h"
#include "exec/foreign_error.h"

namespace dsc {
namespace {

constexpr const char* kRemedy = "attack the model before this step, or find the changes on the base: gradients_of: base";

[[noreturn]] void fail_without_gradient(const std::string& cause) {
  throw Error(ErrorCode::unsupported, "no gradient reaches the pictures, which an attack follows: " + cause, {}, kRemedy);
}

at::Tensor fgsm(const Fgsm& config, const at::Tensor& clean, const Judge& judge) {
  return within_budget(clean + config.epsilon / 255 * slope_at(clean, judge).gradient.sign(), clean, config.epsilon);
}

at::Tensor pgd(const Pgd& config, const at::Tensor& clean, const at::Tensor& noise, const Judge& judge) {
  at::Tensor pictures = config.random_start ? within_budget(clean + config.epsilon / 255 * noise, clean, config.epsilon) : clean;
  for (std::int64_t step = 0; step < config.steps; ++step) {
    pictures = within_budget(pictures + config.step_size / 255 * slope_at(pictures, judge).gradient.sign(), clean, config.epsilon);
  }
  return pictures;
}

}  // namespace

at::Tensor within_budget(const at::Tensor& pictures, const at::Tensor& clean, double epsilon) {
  return at::min(at::max(pictures, clean - epsilon / 255), clean + epsilon / 255).clamp(0, 1);
}

Slope slope_at(const at::Tensor& pictures, const Judge& judge) {
  const at::AutoGradMode recording(true);
  const at::Tensor leaf = pictures.detach().clone().requires_grad_();
  const Judgement judgement = judge(leaf);
  if (!judgement.losses.requires_grad()) fail_without_gradient("its operators record none");
  try {
    judgement.losses.sum().backward({}, /*retain_graph=*/false, /*create_graph=*/false, at::TensorList(&leaf, 1));
  } catch (const std::exception&) {
    const Error error = to_error(std::current_exception(), ErrorCode::unsupported);
    if (error.code() != ErrorCode::unsupported) throw error;
    fail_without_gradient(error.problems().front().message);
  }
  const at::Tensor gradient = leaf.grad();
  if (!gradient.defined()) fail_without_gradient("no operator that reads them passes one on");
  if (!gradient.any().item<bool>()) fail_without_gradient("it is 0 everywhere, as behind rounding");
  return {{judgement.losses.detach(), judgement.fooled}, gradient.detach()};
}

at::Tensor attack_pictures(const Attack& attack, const at::Tensor& clean, const at::Tensor& noise, const Judge& judge) {
  const at::NoGradGuard no_grad;
  if (const auto* config = std::get_if<Fgsm>(&attack)) return fgsm(*config, clean, judge);
  if (const auto* config = std::get_if<Pgd>(&attack)) return pgd(*config, clean, noise, judge);
  return auto_pgd(std::get<AutoPgd>(attack), clean, noise, judge);
}

}  // namespace dsc
