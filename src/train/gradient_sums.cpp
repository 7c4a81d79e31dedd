#include "train/gradient_sums.h"

#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <utility>

#include "parallel/buckets.h"

namespace dsc {
namespace {

using torch::autograd::impl::set_post_acc_grad_hooks;

at::Tensor gradient_of(const at::Tensor& parameter) {
  const at::Tensor& gradient = parameter.grad();
  if (!gradient.defined()) return at::zeros_like(parameter);
  return gradient.is_sparse() ? gradient.to_dense() : gradient;
}

}  // namespace

class GradientSums::Hook final : public torch::autograd::PostAccumulateGradHook {
 public:
  Hook(GradientSums& sums, std::size_t parameter) : sums_(sums), parameter_(parameter) {}
  void operator()(const at::Tensor&) override { sums_.arrived(parameter_); }

 private:
  GradientSums& sums_;
  std::size_t parameter_;
};

GradientSums::GradientSums(Ranks& ranks, std::vector<at::Tensor> own, std::vector<at::Tensor> common)
    : ranks_(ranks), own_(std::move(own)), common_(std::move(common)) {
  if (ranks_.sums_travel()) make_groups();
}

GradientSums::~GradientSums() {
  if (!follows_) return;
  for (const at::Tensor& parameter : own_) set_post_acc_grad_hooks(parameter, nullptr);
}

void GradientSums::make_groups() {
  group_of_.resize(own_.size());
  std::size_t parameter = own_.size();
  for (const Bucket& bucket : make_buckets({own_.rbegin(), own_.rend()})) {
    Group& group = groups_.emplace_back();
    group.missing = bucket.tensors.size();
    for (std::size_t i = 0; i < bucket.tensors.size(); ++i) {
      group.members.push_back(--parameter);
      group_of_[parameter] = groups_.size() - 1;
    }
  }
}

void GradientSums::follow_backward() {
  if (groups_.empty()) return;
  follows_ = true;
  for (std::size_t i = 0; i < own_.size(); ++i) set_post_acc_grad_hooks(own_[i], std::make_unique<Hook>(*this, i));
}

// Called by backward, on the one thread that adds up gradients.
void GradientSums::arrived(std::size_t parameter) {
  --groups_[group_of_[parameter]].missing;
  while (next_ < groups_.size() && groups_[next_].missing == 0) begin(groups_[next_++]);
}

void GradientSums::begin(Group& group) {
  const c10::NoGradGuard no_grad;
  for (const std::size_t member : group.members) group.gradients.push_back(gradient_of(own_[member]));
  group.sum = ranks_.begin_sum(group.gradients);
}

// 1 for each parameter that has a gradient here, own ones first.
at::Tensor GradientSums::presence() const {
  at::Tensor present = at::zeros({static_cast<std::int64_t>(own_.size() + common_.size())}, at::kFloat);
  auto* values = present.mutable_data_ptr<float>();
  for (std::size_t i = 0; i < own_.size(); ++i) values[i] = own_[i].grad().defined() ? 1 : 0;
  for (std::size_t i = 0; i < common_.size(); ++i) values[own_.size() + i] = common_[i].grad().defined() ? 1 : 0;
  return present;
}

void GradientSums::finish() {
  const c10::NoGradGuard no_grad;
  while (next_ < groups_.size()) begin(groups_[next_++]);  // with parameters that backward did not reach
  const at::Tensor present = presence();
  std::vector<at::Tensor> gradients(own_.size()), sent;
  if (groups_.empty()) {
    for (std::size_t i = 0; i < own_.size(); ++i) gradients[i] = gradient_of(own_[i]);
    sent = gradients;
  }
  for (const at::Tensor& parameter : common_) {
    gradients.push_back(gradient_of(parameter).div_(static_cast<double>(ranks_.size())));
    sent.push_back(gradients.back());
  }
  sent.push_back(present);
  ranks_.sum(sent);
  for (const Group& group : groups_) {
    group.sum->arrive();
    for (std::size_t i = 0; i < group.members.size(); ++i) gradients[group.members[i]] = group.gradients[i];
  }
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (present.const_data_ptr<float>()[i] > 0) (i < own_.size() ? own_[i] : common_[i - own_.size()]).mutable_grad() = gradients[i];
  }
}

}  // namespace dsc
