#include "eval/metrics.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/argmin.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/topk.h>

#include <algorithm>
#include <set>
#include <string>

#include "core/names.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

constexpr std::int64_t kIgnoredLabel = -100;  // PyTorch's sign for positions without a label

// One row for each thing that has a class: an example, a token, a pixel.
struct Rows {
  at::Tensor logits;            // [rows, classes] f32
  at::Tensor labels;            // [rows] i64; undefined without labels
  std::int64_t per_example = 1;
};

std::string shape_text(const at::Tensor& tensor) {
  std::string text = "[";
  for (std::int64_t i = 0; i < tensor.dim(); ++i) text += (i ? ", " : "") + std::to_string(tensor.size(i));
  return text + "]";
}

// The dimension of classes: the last, as transformers have it ([N, T, C] for labels [N, T]), else the second, as dense
// image networks have it ([N, C, H, W] for labels [N, H, W]).
std::int64_t class_dimension(const at::Tensor& output, const at::Tensor& labels) {
  if (!labels.defined()) return output.dim() == 4 ? 1 : output.dim() - 1;
  if (output.dim() == labels.dim() + 1) {
    const auto without = [&](std::int64_t dim) {
      std::vector<std::int64_t> sizes = output.sizes().vec();
      sizes.erase(sizes.begin() + dim);
      return at::IntArrayRef(sizes) == labels.sizes();
    };
    if (output.dim() == 4 && without(1)) return 1;
    if (without(output.dim() - 1)) return output.dim() - 1;
    if (without(1)) return 1;
  }
  throw Error(ErrorCode::data, "labels of shape " + shape_text(labels) + " do not fit the model's output of shape " + shape_text(output),
              {}, "labels have the output's shape without the dimension of the classes");
}

Rows make_rows(const at::Tensor& output, const at::Tensor& target) {
  if (output.dim() < 2) throw Error(ErrorCode::data, "the model's output of shape " + shape_text(output) + " has no classes");
  const std::int64_t dim = class_dimension(output, target);
  Rows rows;
  rows.logits = output.movedim(dim, -1).reshape({-1, output.size(dim)});
  if (target.defined()) rows.labels = target.reshape({-1});
  rows.per_example = rows.logits.size(0) / std::max<std::int64_t>(1, output.size(0));
  return rows;
}

void check_labels(const Rows& rows, const Batch& batch) {
  const std::int64_t classes = rows.logits.size(1);
  const auto labels = rows.labels.contiguous();
  const auto* label = labels.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    if ((label[i] >= 0 && label[i] < classes) || label[i] == kIgnoredLabel) continue;
    const auto example = static_cast<std::size_t>(i / rows.per_example);
    const std::int64_t index = example < batch.indices.size() ? batch.indices[example] : static_cast<std::int64_t>(example);
    throw Error(ErrorCode::data, "example " + std::to_string(index) + " has label " + std::to_string(label[i]) +
                                     "; the model's output has classes 0 to " + std::to_string(classes - 1),
                {}, "check the labels, or that this model was made for this data");
  }
}

class Evaluator {
 public:
  Evaluator(Engine& engine, const EvaluateOptions& options)
      : engine_(engine), options_(options), wanted_(options.metrics.begin(), options.metrics.end()) {
    for (const std::string& name : options.metrics) {
      const auto& known = metric_names();
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        throw Error(ErrorCode::recipe, "unknown metric `" + name + "`", {}, suggest(name, known));
      }
    }
    if (wants("agreement") && !options.reference) {
      throw Error(ErrorCode::internal, "metric `agreement` needs a reference engine");
    }
  }

  void add(const Batch& batch) {
    const at::Tensor output = run(engine_, batch);
    const bool classes = batch.target.defined() && batch.target.scalar_type() == at::kLong;
    if (classes) add_classes(make_rows(output, batch.target), batch);
    else if (wants("top1") || wants("top5")) fail_without_labels();
    if (batch.target.defined() && !classes) add_errors(output, batch.target);
    else if (wants("mse")) throw Error(ErrorCode::data, "metric `mse` needs floating-point targets", {}, "use top1 or loss for class labels");
    if (wants("loss") && !batch.target.defined()) fail_without_labels();
    if (wants("agreement")) add_agreement(output, batch);
  }

  Metrics result() const {
    Metrics metrics;
    const double rows = static_cast<double>(std::max<std::int64_t>(1, rows_));
    const double elements = static_cast<double>(std::max<std::int64_t>(1, elements_));
    for (const std::string& name : options_.metrics) {
      if (name == "top1") metrics[name] = static_cast<double>(correct_) / rows;
      if (name == "top5") metrics[name] = static_cast<double>(among_five_) / rows;
      if (name == "loss") metrics[name] = elements_ ? squared_ / elements : loss_ / rows;
      if (name == "mse") metrics[name] = squared_ / elements;
      if (name == "agreement") metrics[name] = static_cast<double>(agreed_) / static_cast<double>(std::max<std::int64_t>(1, compared_));
    }
    return metrics;
  }

 private:
  bool wants(const char* name) const { return wanted_.contains(name); }

  static at::Tensor run(Engine& engine, const Batch& batch) {
    const std::vector<at::Tensor> outputs = engine.run(batch.inputs);
    if (outputs.empty()) throw Error(ErrorCode::data, "the model has no tensor output to evaluate");
    const at::Tensor output = outputs.front().to(at::kCPU, at::kFloat);
    if (!at::isfinite(output).all().item<bool>()) fail_not_finite(engine, output, batch);
    return output;
  }

  [[noreturn]] static void fail_not_finite(const Engine& engine, const at::Tensor& output, const Batch& batch) {
    const at::Tensor finite = at::isfinite(output.reshape({output.dim() ? output.size(0) : 1, -1})).all(1);
    const auto row = static_cast<std::size_t>(finite.to(at::kLong).argmin().item<std::int64_t>());
    const std::int64_t example = row < batch.indices.size() ? batch.indices[row] : static_cast<std::int64_t>(row);
    throw Error(ErrorCode::numeric, engine.name() + " gives an output that is not finite for example " + std::to_string(example), {},
                "the weights have diverged, or the inputs are not normalised as the model expects");
  }

  [[noreturn]] static void fail_without_labels() {
    throw Error(ErrorCode::data, "accuracy metrics need class labels (integers) in the evaluation data", {},
                "name the label column, or use mse or agreement");
  }

  void add_classes(const Rows& rows, const Batch& batch) {
    check_labels(rows, batch);
    const at::Tensor counted = rows.labels != kIgnoredLabel;
    rows_ += counted.sum().item<std::int64_t>();
    if (wants("top1")) correct_ += (rows.logits.argmax(1) == rows.labels).sum().item<std::int64_t>();
    if (wants("top5")) {
      const auto best = std::get<1>(at::topk(rows.logits, std::min<std::int64_t>(5, rows.logits.size(1)), 1));
      among_five_ += (best == rows.labels.unsqueeze(1)).any(1).sum().item<std::int64_t>();
    }
    if (wants("loss")) {
      loss_ += at::cross_entropy_loss(rows.logits.to(at::kDouble), rows.labels, {}, at::Reduction::Sum, kIgnoredLabel).item<double>();
    }
  }

  void add_errors(const at::Tensor& output, const at::Tensor& target) {
    const at::Tensor predicted = output.dim() == target.dim() + 1 && output.size(-1) == 1 ? output.squeeze(-1) : output;
    if (predicted.sizes() != target.sizes()) {
      throw Error(ErrorCode::data, "targets of shape " + shape_text(target) + " do not fit the model's output of shape " + shape_text(output));
    }
    squared_ += (predicted.to(at::kDouble) - target.to(at::kDouble)).square().sum().item<double>();
    elements_ += target.numel();
  }

  void add_agreement(const at::Tensor& output, const Batch& batch) {
    const at::Tensor mine = make_rows(output, {}).logits.argmax(1);
    const at::Tensor theirs = make_rows(run(*options_.reference, batch), {}).logits.argmax(1);
    if (mine.sizes() != theirs.sizes()) throw Error(ErrorCode::data, "the outputs of the two models have different shapes");
    agreed_ += (mine == theirs).sum().item<std::int64_t>();
    compared_ += mine.numel();
  }

  Engine& engine_;
  const EvaluateOptions& options_;
  std::set<std::string> wanted_;
  std::int64_t rows_ = 0, correct_ = 0, among_five_ = 0, elements_ = 0, agreed_ = 0, compared_ = 0;
  double loss_ = 0, squared_ = 0;
};

}  // namespace

const std::vector<std::string>& metric_names() {
  static const std::vector<std::string> names{"top1", "top5", "loss", "mse", "agreement"};
  return names;
}

Metrics evaluate(Engine& engine, const Dataset& dataset, const EvaluateOptions& options) {
  const at::NoGradGuard no_grad;
  Evaluator evaluator(engine, options);
  LoaderOptions loading;
  loading.batch = options.batch;
  loading.limit = options.limit;
  BatchLoader loader(dataset, loading);
  const std::int64_t total = options.limit > 0 ? std::min(options.limit, dataset.size()) : dataset.size();
  std::int64_t done = 0;
  while (const std::optional<Batch> batch = loader.next()) {
    evaluator.add(*batch);
    done += batch->inputs.empty() ? 0 : batch->inputs.front().size(0);
    if (options.progress) options.progress(done, total);
  }
  if (done == 0) throw Error(ErrorCode::data, "there are no examples to evaluate: " + dataset.info().description);
  return evaluator.result();
}

}  // namespace dsc
