#include "train/label_losses.h"

#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/smooth_l1_loss.h>
#include <ATen/ops/softmax.h>

#include <numbers>
#include <string>
#include <utility>

#include "data/class_dimension.h"
#include "data/matching_output.h"
#include "data/more_labels.h"
#include "dscompress/error.h"
#include "ir/describe.h"

namespace dsc {
namespace {

[[noreturn]] void throw_shapes(const at::Tensor& output, const at::Tensor& target) {
  throw Error(ErrorCode::data, "the model's output " + describe_sizes(output) + " does not fit the labels " + describe_sizes(target));
}

// Scores as [positions, classes] and labels as [positions], or unchanged where classes are in dimension 1 of more than two.
std::pair<at::Tensor, at::Tensor> with_class_dimension(const at::Tensor& output, const at::Tensor& target) {
  const auto dim = class_dimension(output, target);
  if (!dim) throw_shapes(output, target);
  if (*dim == 1) return {output, target};
  return {output.reshape({-1, output.size(-1)}), target.reshape({-1})};
}

// On other devices the kernel itself refuses wrong labels; looking at them here would wait for the device.
void check_labels(const at::Tensor& target, std::int64_t classes, const Batch& batch) {
  if (!target.is_cpu()) return;
  const auto labels = target.contiguous();
  const auto* data = labels.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    if ((data[i] >= 0 && data[i] < classes) || data[i] == kNoLabel) continue;
    const auto example = static_cast<std::size_t>(i / std::max<std::int64_t>(labels.numel() / batch.target.size(0), 1));
    const auto where = example < batch.indices.size() ? " of example " + std::to_string(batch.indices[example]) : std::string();
    throw Error(ErrorCode::data, "label " + std::to_string(data[i]) + where + " is out of range: the model has " + std::to_string(classes) +
                                     " classes, counted from 0");
  }
}

std::string kind_of_labels(const Batch& batch) {
  if (batch.multi_label) return "several an example";
  if (batch.soft_target) return "mixed classes";
  return batch.target.is_floating_point() ? "real numbers" : "classes";
}

[[noreturn]] void throw_kind(const std::string& loss, const std::string& takes, const Batch& batch) {
  throw Error(ErrorCode::data, "the loss `" + loss + "` takes " + takes + ", and the labels are " + kind_of_labels(batch), {},
              "choose a loss for these labels, or leave `label_losses` out");
}

// Scores and labels of classes, one row a position: [rows, classes] and [rows], those without a label left out.
struct ClassRows {
  at::Tensor scores, labels;
};
ClassRows class_rows(const at::Tensor& output, const Batch& batch) {
  const auto dim = class_dimension(output, batch.target);
  if (!dim) throw_shapes(output, batch.target);
  check_labels(batch.target, output.size(*dim), batch);
  const at::Tensor labels = batch.target.reshape({-1}), places = (labels != kNoLabel).nonzero().flatten();
  return {output.movedim(*dim, -1).reshape({-1, output.size(*dim)}).index_select(0, places), labels.index_select(0, places)};
}

// Against shares of classes; a model may have more classes than the data.
at::Tensor soft_loss(const at::Tensor& scores, const at::Tensor& shares, double label_smoothing) {
  if (scores.dim() != 2 || scores.size(0) != shares.size(0) || scores.size(1) < shares.size(1)) throw_shapes(scores, shares);
  const auto target = at::constant_pad_nd(shares, {0, scores.size(1) - shares.size(1)});
  return at::cross_entropy_loss(scores, target, {}, at::Reduction::Mean, kNoLabel, label_smoothing);
}

at::Tensor loss_of(const CrossEntropy&, const at::Tensor& output, const Batch& batch, double label_smoothing) {
  if (batch.soft_target) return soft_loss(output, batch.target, label_smoothing);
  if (batch.target.is_floating_point()) throw_kind("cross_entropy", "classes", batch);
  const auto [scores, labels] = with_class_dimension(output, batch.target);
  check_labels(labels, scores.size(1), batch);
  return at::cross_entropy_loss(scores, labels, {}, at::Reduction::Mean, kNoLabel, label_smoothing);
}

at::Tensor loss_of(const Dice& loss, const at::Tensor& output, const Batch& batch, double) {
  at::Tensor shares, labels;  // [rows, classes]
  if (batch.multi_label) {
    if (output.sizes() != batch.target.sizes()) throw_shapes(output, batch.target);
    shares = at::sigmoid(output);
    labels = batch.target;
  } else {
    if (batch.target.is_floating_point()) throw_kind("dice", "classes", batch);
    const auto rows = class_rows(output, batch);
    shares = at::softmax(rows.scores, 1);
    labels = at::one_hot(rows.labels, rows.scores.size(1)).to(shares.scalar_type());
  }
  const at::Tensor wanted = labels.sum(0), both = (shares * labels).sum(0), present = (wanted > 0).to(shares.scalar_type());
  const at::Tensor apart = 1 - (2 * both + loss.smooth) / (shares.sum(0) + wanted + loss.smooth).clamp_min(1e-12);
  return (apart * present).sum() / present.sum().clamp_min(1);
}

at::Tensor loss_of(const Focal& loss, const at::Tensor& output, const Batch& batch, double) {
  at::Tensor logs;  // of the probability of what is right
  if (batch.multi_label) {
    if (output.sizes() != batch.target.sizes()) throw_shapes(output, batch.target);
    logs = at::log_sigmoid(output * (2 * batch.target - 1));
  } else {
    if (batch.target.is_floating_point()) throw_kind("focal", "classes", batch);
    const auto rows = class_rows(output, batch);
    logs = at::log_softmax(rows.scores, 1).gather(1, rows.labels.unsqueeze(1));
  }
  return -((1 - logs.exp()).pow(loss.gamma) * logs).sum() / static_cast<double>(std::max<std::int64_t>(1, logs.numel()));
}

at::Tensor loss_of(const Bce&, const at::Tensor& output, const Batch& batch, double) {
  if (batch.target.is_floating_point()) {
    if (!batch.multi_label) throw_kind("bce", "several labels an example or classes 0 and 1", batch);
    if (output.sizes() != batch.target.sizes()) throw_shapes(output, batch.target);
    return at::binary_cross_entropy_with_logits(output, batch.target);
  }
  if (output.numel() != batch.target.numel()) throw_shapes(output, batch.target);
  check_labels(batch.target, 2, batch);
  const at::Tensor labels = batch.target.reshape({-1}), places = (labels != kNoLabel).nonzero().flatten();
  return at::binary_cross_entropy_with_logits(output.reshape({-1}).index_select(0, places), labels.index_select(0, places).to(output.scalar_type()));
}

// The output in the shape of real numbers.
at::Tensor as_numbers(const std::string& loss, const at::Tensor& output, const Batch& batch) {
  if (!batch.target.is_floating_point() || batch.soft_target || batch.multi_label) throw_kind(loss, "real numbers", batch);
  if (output.numel() != batch.target.numel()) throw_shapes(output, batch.target);
  return output.reshape(batch.target.sizes());
}

at::Tensor loss_of(const Mse&, const at::Tensor& output, const Batch& batch, double) {
  return at::mse_loss(as_numbers("mse", output, batch), batch.target);
}

at::Tensor loss_of(const SmoothL1& loss, const at::Tensor& output, const Batch& batch, double) {
  return at::smooth_l1_loss(as_numbers("smooth_l1", output, batch), batch.target, at::Reduction::Mean, loss.beta);
}

at::Tensor loss_of(const LogCosh&, const at::Tensor& output, const Batch& batch, double) {
  const at::Tensor apart = (as_numbers("log_cosh", output, batch) - batch.target).abs();
  return (apart + (-2 * apart).exp().log1p() - std::numbers::ln2).mean();
}

at::Tensor output_of(const std::vector<at::Tensor>& outputs, const LossPart& part, const Batch& batch) {
  const std::int64_t number = part.output;
  if (number < 0) return part.label.empty() ? matching_output(outputs, batch.target) : output_of_label(outputs, batch, part.label);
  if (static_cast<std::size_t>(number) < outputs.size()) return at_size_of(outputs[static_cast<std::size_t>(number)], batch.target);
  throw Error(ErrorCode::data,
              "a loss is of output " + std::to_string(number) + ", and the model has " + std::to_string(outputs.size()) + ", counted from 0", {},
              "inspect shows a model's outputs");
}

LabelLoss usual_loss(const Batch& batch) {
  if (batch.multi_label) return Bce{};
  return batch.target.is_floating_point() && !batch.soft_target ? LabelLoss(Mse{}) : LabelLoss(CrossEntropy{});
}

[[noreturn]] void throw_unlabelled() {
  throw Error(ErrorCode::data, "supervised training needs labels, and the training data has none", {},
              "name the label column in data.train, or train without labels (distill without the loss `labels`)");
}

at::Tensor part_of(const LabelLoss& loss, const std::vector<at::Tensor>& outputs, const Batch& whole, double label_smoothing) {
  return std::visit(
      [&](const auto& own) {
        const Batch batch = own.label.empty() ? whole : with_label(whole, own.label);
        if (!batch.target.defined()) throw_unlabelled();
        const at::Tensor part = loss_of(own, output_of(outputs, own, batch).to(at::kFloat), batch, label_smoothing);
        return own.weight == 1 ? part : part * own.weight;
      },
      loss);
}

// What labels of these kinds are trained with.
std::vector<LabelLoss> usual_losses(const Batch& batch) {
  std::vector<LabelLoss> losses;
  if (batch.target.defined()) losses.push_back(usual_loss(batch));
  for (const LabelColumn& label : batch.labels) {
    losses.push_back(usual_loss(with_label(batch, label.name)));
    std::visit([&](LossPart& part) { part.label = label.name; }, losses.back());
  }
  return losses;
}

}  // namespace

void LossPart::fields(FieldVisitor& visit) {
  visit("weight", weight, {.text = "Its share of the sum.", .minimum = 0});
  visit("label", label, {.text = "One of the data's `labels`; empty: the label itself."});
  visit("output", output, {.text = "The model's output that it is of, counted from 0; -1: the one that the label belongs to.", .minimum = -1});
}
void Dice::fields(FieldVisitor& visit) {
  LossPart::fields(visit);
  visit("smooth", smooth, {.text = "Added above and below the fraction.", .minimum = 0});
}
void Focal::fields(FieldVisitor& visit) {
  LossPart::fields(visit);
  visit("gamma", gamma, {.text = "How little counts what is right already; 0: cross-entropy.", .minimum = 0, .maximum = 100});
}
void SmoothL1::fields(FieldVisitor& visit) {
  LossPart::fields(visit);
  visit("beta", beta, {.text = "Errors below it are squared.", .minimum = 1e-9});
}

Objective supervised_objective(double label_smoothing, std::vector<LabelLoss> losses) {
  return [label_smoothing, losses = std::move(losses)](const std::vector<at::Tensor>& outputs, const Batch& batch) {
    at::Tensor sum;
    for (const LabelLoss& loss : losses.empty() ? usual_losses(batch) : losses) {
      const at::Tensor part = part_of(loss, outputs, batch, label_smoothing);
      sum = sum.defined() ? sum + part : part;
    }
    if (!sum.defined()) throw_unlabelled();
    return sum;
  };
}

}  // namespace dsc
