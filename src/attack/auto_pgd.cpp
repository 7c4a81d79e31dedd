// AutoPGD. source: Croce and Hein 2020, arXiv:2003.01690, and its authors' code for what the paper leaves open.
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <vector>

#include "attack/attack.h"

namespace dsc {
namespace {

constexpr double kMomentum = 0.75;
constexpr double kEnoughGrowth = 0.75;  // share of the steps since the last check that the loss must have grown in

at::Tensor per_picture(const at::Tensor& values, const at::Tensor& pictures) {
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(pictures.dim()), 1);
  sizes[0] = values.size(0);
  return values.reshape(sizes);
}

class AutoPgdSearch {
 public:
  AutoPgdSearch(const AutoPgd& config, const at::Tensor& clean, const at::Tensor& noise, const Judge& judge)
      : config_(config), clean_(clean), judge_(judge), step_size_(at::full({clean.size(0)}, 2 * config.epsilon / 255, clean.options())) {
    const at::Tensor largest = noise.abs().flatten(1).amax(1).clamp_min(1e-12);
    now_ = before_ = best_ = adversarial_ = within_budget(clean + config.epsilon / 255 * noise / per_picture(largest, clean), clean, config.epsilon);
    const Slope slope = slope_at(now_, judge);
    gradient_ = best_gradient_ = slope.gradient;
    best_loss_ = loss_at_check_ = slope.judgement.losses;
    fooled_ = slope.judgement.fooled;
    was_halved_ = at::ones_like(fooled_);
    losses_.push_back(at::zeros_like(best_loss_));
  }

  at::Tensor run() {
    auto interval = share_of_steps(0.22);
    std::int64_t since_check = 0;
    for (std::int64_t step = 0; step < config_.steps; ++step) {
      advance(step == 0 ? 1.0 : kMomentum);
      judge_pictures();
      if (++since_check < interval) continue;
      halve_where_stuck(since_check);
      interval = std::max(interval - share_of_steps(0.03), share_of_steps(0.06));
      since_check = 0;
    }
    return at::where(per_picture(fooled_, clean_), adversarial_, best_);
  }

 private:
  std::int64_t share_of_steps(double share) const { return std::max<std::int64_t>(1, static_cast<std::int64_t>(share * static_cast<double>(config_.steps))); }

  void advance(double share) {
    const at::Tensor last_move = now_ - before_;
    before_ = now_;
    const at::Tensor stepped = within_budget(now_ + per_picture(step_size_, clean_) * gradient_.sign(), clean_, config_.epsilon);
    now_ = within_budget(now_ + (stepped - now_) * share + last_move * (1 - share), clean_, config_.epsilon);
  }

  void judge_pictures() {
    const Slope slope = slope_at(now_, judge_);
    gradient_ = slope.gradient;
    adversarial_ = at::where(per_picture(slope.judgement.fooled, clean_), now_, adversarial_);
    fooled_ = fooled_.logical_or(slope.judgement.fooled);
    const at::Tensor better = slope.judgement.losses > best_loss_, better_pictures = per_picture(better, clean_);
    best_ = at::where(better_pictures, now_, best_);
    best_gradient_ = at::where(better_pictures, gradient_, best_gradient_);
    best_loss_ = at::where(better, slope.judgement.losses, best_loss_);
    losses_.push_back(slope.judgement.losses);
  }

  // Where the loss grew in too few steps, or its best value stayed since a check that left the step alone.
  void halve_where_stuck(std::int64_t since_check) {
    at::Tensor grown = at::zeros_like(best_loss_);
    for (auto i = losses_.size() - static_cast<std::size_t>(since_check); i < losses_.size(); ++i) grown += (losses_[i] > losses_[i - 1]).to(grown.scalar_type());
    const at::Tensor stayed = was_halved_.logical_not().logical_and(loss_at_check_ >= best_loss_);
    const at::Tensor stuck = (grown <= kEnoughGrowth * static_cast<double>(since_check)).logical_or(stayed);
    was_halved_ = stuck;
    loss_at_check_ = best_loss_;
    step_size_ = at::where(stuck, step_size_ / 2, step_size_);
    const at::Tensor stuck_pictures = per_picture(stuck, clean_);
    now_ = at::where(stuck_pictures, best_, now_);
    gradient_ = at::where(stuck_pictures, best_gradient_, gradient_);
  }

  const AutoPgd& config_;
  at::Tensor clean_;
  const Judge& judge_;
  at::Tensor step_size_;                           // of each picture
  at::Tensor now_, before_, gradient_;
  at::Tensor best_, best_gradient_, best_loss_;    // where the loss was largest
  at::Tensor adversarial_, fooled_;                // the last pictures that were misjudged
  at::Tensor was_halved_, loss_at_check_;
  std::vector<at::Tensor> losses_;                 // of all steps, after a 0
};

}  // namespace

at::Tensor auto_pgd(const AutoPgd& config, const at::Tensor& clean, const at::Tensor& noise, const Judge& judge) {
  return AutoPgdSearch(config, clean, noise, judge).run();
}

}  // namespace dsc
