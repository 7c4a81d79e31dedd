// Metrics of predicted classes.
#include <ATen/ops/argmax.h>
#include <ATen/ops/topk.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "dscompress/error.h"
#include "eval/metric.h"
#include "eval/rows.h"

namespace dsc {
namespace {

// Share of rows whose label is among the best `k` classes.
class TopK final : public Metric {
 public:
  explicit TopK(std::int64_t k) : k_(k) {}
  void add(const Prediction& prediction) override {
    const Rows rows = make_labelled_rows(prediction.output, prediction.batch);
    rows_ += (rows.labels != kIgnoredLabel).sum().item<std::int64_t>();
    if (k_ == 1) {
      found_ += (rows.logits.argmax(1) == rows.labels).sum().item<std::int64_t>();
    } else {
      const auto best = std::get<1>(at::topk(rows.logits, std::min(k_, rows.logits.size(1)), 1));
      found_ += (best == rows.labels.unsqueeze(1)).any(1).sum().item<std::int64_t>();
    }
  }
  double value() const override { return static_cast<double>(found_) / static_cast<double>(std::max<std::int64_t>(1, rows_)); }

 private:
  std::int64_t k_, found_ = 0, rows_ = 0;
};

// How often each class was predicted for each label.
class Confusion {
 public:
  void add(const Prediction& prediction) {
    const Rows rows = make_labelled_rows(prediction.output, prediction.batch);
    classes_ = std::max(classes_, rows.logits.size(1));
    const at::Tensor predicted = rows.logits.argmax(1).contiguous(), labels = rows.labels.contiguous();
    const auto *p = predicted.const_data_ptr<std::int64_t>(), *l = labels.const_data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < labels.numel(); ++i) {
      if (l[i] == kIgnoredLabel) continue;
      ++both_[{l[i], p[i]}];
      ++labelled_[l[i]];
      ++predicted_[p[i]];
      ++rows_;
    }
  }
  std::int64_t classes() const { return classes_; }
  double rows() const { return static_cast<double>(rows_); }
  double labelled(std::int64_t c) const { return count(labelled_, c); }
  double predicted(std::int64_t c) const { return count(predicted_, c); }
  double correct(std::int64_t c) const { return count(both_, {c, c}); }

 private:
  template <class Key>
  static double count(const std::map<Key, std::int64_t>& counts, const Key& key) {
    const auto found = counts.find(key);
    return found == counts.end() ? 0.0 : static_cast<double>(found->second);
  }
  std::int64_t classes_ = 0, rows_ = 0;
  std::map<std::int64_t, std::int64_t> labelled_, predicted_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> both_;
};

// Harmonic mean of precision and recall of one class; 0 where both are undefined, as scikit-learn has it.
double f1_of(const Confusion& confusion, std::int64_t c) {
  const double sum = confusion.labelled(c) + confusion.predicted(c);
  return sum > 0 ? 2 * confusion.correct(c) / sum : 0;
}

// Of class 1 of two classes.
class BinaryF1 final : public Metric {
 public:
  void add(const Prediction& prediction) override {
    confusion_.add(prediction);
    if (confusion_.classes() == 2) return;
    throw Error(ErrorCode::data, "metric `f1` is that of class 1 of two, and the model has " + std::to_string(confusion_.classes()) + " classes", {}, "use macro_f1");
  }
  double value() const override { return f1_of(confusion_, 1); }

 private:
  Confusion confusion_;
};

// Mean over the classes that occur as label or prediction.
class MacroF1 final : public Metric {
 public:
  void add(const Prediction& prediction) override { confusion_.add(prediction); }
  double value() const override {
    double sum = 0, count = 0;
    for (std::int64_t c = 0; c < confusion_.classes(); ++c) {
      if (confusion_.labelled(c) + confusion_.predicted(c) == 0) continue;
      sum += f1_of(confusion_, c);
      count += 1;
    }
    return count > 0 ? sum / count : 0;
  }

 private:
  Confusion confusion_;
};

// Correlation of labels and predictions as indicator vectors. source: Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006.
class Matthews final : public Metric {
 public:
  void add(const Prediction& prediction) override { confusion_.add(prediction); }
  double value() const override {
    const double n = confusion_.rows();
    double correct = 0, both = 0, labels = 0, predictions = 0;
    for (std::int64_t c = 0; c < confusion_.classes(); ++c) {
      correct += confusion_.correct(c);
      both += confusion_.labelled(c) * confusion_.predicted(c);
      labels += confusion_.labelled(c) * confusion_.labelled(c);
      predictions += confusion_.predicted(c) * confusion_.predicted(c);
    }
    const double spread = std::sqrt((n * n - predictions) * (n * n - labels));
    return spread > 0 ? (correct * n - both) / spread : 0;
  }

 private:
  Confusion confusion_;
};

}  // namespace

std::unique_ptr<Metric> make_class_metric(const std::string& name) {
  if (name == "top1") return std::make_unique<TopK>(1);
  if (name == "top5") return std::make_unique<TopK>(5);
  if (name == "f1") return std::make_unique<BinaryF1>();
  if (name == "macro_f1") return std::make_unique<MacroF1>();
  if (name == "matthews") return std::make_unique<Matthews>();
  return nullptr;
}

}  // namespace dsc
