// Metrics of predicted classes.
#include <ATen/ops/argmax.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/topk.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "dscompress/error.h"
#include "eval/mean_metric.h"
#include "eval/ranking.h"
#include "eval/rows.h"

namespace dsc {
namespace {

// Share of rows whose label is among the best `k` classes.
template <std::int64_t k>
class TopK final : public MeanMetric {
  RowScores score(const Prediction& prediction) const override {
    const Rows rows = make_labelled_rows(prediction.output, prediction.batch);
    const at::Tensor counted = rows.labels != kNoLabel;
    if constexpr (k == 1) return {rows.logits.argmax(1) == rows.labels, counted};
    const auto best = std::get<1>(at::topk(rows.logits, std::min(k, rows.logits.size(1)), 1));
    return {(best == rows.labels.unsqueeze(1)).any(1), counted};
  }
};

// How often each class was predicted for each label.
class Confusion {
 public:
  void add(std::int64_t label, std::int64_t predicted, std::int64_t times = 1) {
    classes_ = std::max(classes_, std::max(label, predicted) + 1);
    both_[{label, predicted}] += times;
    labelled_[label] += times;
    predicted_[predicted] += times;
    rows_ += times;
  }
  std::int64_t classes() const { return classes_; }  // up to the largest that occurs
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
double binary_f1(const Confusion& confusion) { return f1_of(confusion, 1); }

// Mean over the classes that occur as label or prediction.
double macro_f1(const Confusion& confusion) {
  double sum = 0, count = 0;
  for (std::int64_t c = 0; c < confusion.classes(); ++c) {
    if (confusion.labelled(c) + confusion.predicted(c) == 0) continue;
    sum += f1_of(confusion, c);
    count += 1;
  }
  return count > 0 ? sum / count : 0;
}

// Correlation of labels and predictions as indicator vectors. source: Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006.
double matthews(const Confusion& confusion) {
  const double n = confusion.rows();
  double correct = 0, both = 0, labels = 0, predictions = 0;
  for (std::int64_t c = 0; c < confusion.classes(); ++c) {
    correct += confusion.correct(c);
    both += confusion.labelled(c) * confusion.predicted(c);
    labels += confusion.labelled(c) * confusion.labelled(c);
    predictions += confusion.predicted(c) * confusion.predicted(c);
  }
  const double spread = std::sqrt((n * n - predictions) * (n * n - labels));
  return spread > 0 ? (correct * n - both) / spread : 0;
}

// Mean over the classes that have labels of the share that is found.
double balanced_accuracy(const Confusion& confusion) {
  double sum = 0, count = 0;
  for (std::int64_t c = 0; c < confusion.classes(); ++c) {
    if (confusion.labelled(c) == 0) continue;
    sum += confusion.correct(c) / confusion.labelled(c);
    count += 1;
  }
  return count > 0 ? sum / count : 0;
}

// Agreement of labels and predictions beyond that by chance; 0 where there is one class alone. source: Cohen 1960, doi:10.1177/001316446002000104.
double kappa(const Confusion& confusion) {
  const double n = confusion.rows();
  double correct = 0, chance = 0;
  for (std::int64_t c = 0; c < confusion.classes(); ++c) {
    correct += confusion.correct(c);
    chance += confusion.labelled(c) * confusion.predicted(c) / n;
  }
  return n > chance ? (correct - chance) / (n - chance) : 0;
}

// Intersection over union, mean over the classes that occur as label or prediction. source: Everingham et al. 2010,
// doi:10.1007/s11263-009-0275-4, section 4.3.
double mean_iou(const Confusion& confusion) {
  double sum = 0, count = 0;
  for (std::int64_t c = 0; c < confusion.classes(); ++c) {
    const double both = confusion.correct(c), any = confusion.labelled(c) + confusion.predicted(c) - both;
    if (any == 0) continue;
    sum += both / any;
    count += 1;
  }
  return count > 0 ? sum / count : 0;
}

// Of two classes, 1 is what is looked for (a defect): good ones that are reported, and bad ones that pass. 0 without any such example.
double false_alarms(const Confusion& confusion) { return confusion.labelled(0) > 0 ? 1 - confusion.correct(0) / confusion.labelled(0) : 0; }
double misses(const Confusion& confusion) { return confusion.labelled(1) > 0 ? 1 - confusion.correct(1) / confusion.labelled(1) : 0; }

using ConfusionFigure = double (*)(const Confusion&);

template <ConfusionFigure figure>
constexpr bool kOfTwoClasses = figure == binary_f1 || figure == false_alarms || figure == misses;

template <ConfusionFigure figure>
class ConfusionMetric final : public Metric {
 public:
  void add(const Prediction& prediction) override {
    const Rows rows = make_labelled_rows(prediction.output, prediction.batch);
    if (kOfTwoClasses<figure> && rows.logits.size(1) != 2) {
      throw Error(ErrorCode::data, "metrics `f1`, `false_alarms` and `misses` are those of class 1 of two, and the model has " + std::to_string(rows.logits.size(1)) + " classes", {},
                  "use macro_f1 or balanced_accuracy");
    }
    const at::Tensor predicted = rows.logits.argmax(1).contiguous(), labels = rows.labels.contiguous();
    if (rows.per_example > 1) return add_counts(predicted, labels, rows.logits.size(1));
    const auto *p = predicted.const_data_ptr<std::int64_t>(), *l = labels.const_data_ptr<std::int64_t>();
    const auto& examples = prediction.batch.indices;
    const bool row_is_example = static_cast<std::int64_t>(examples.size()) == labels.numel();
    for (std::int64_t i = 0; i < labels.numel(); ++i) {
      if (l[i] != kNoLabel) confusion_.add(l[i], p[i]);
      if (row_is_example) outcomes_.set(examples[static_cast<std::size_t>(i)], static_cast<double>(p[i]), static_cast<double>(l[i]));
    }
  }
  double value() const override { return figure(confusion_); }
  Outcomes outcomes() const override { return outcomes_; }

 private:
  // Of pixels and tokens, which are many, each pair of classes is counted at once.
  void add_counts(const at::Tensor& predicted, const at::Tensor& labels, std::int64_t classes) {
    const at::Tensor pairs = (labels * classes + predicted).masked_select(labels != kNoLabel);
    const at::Tensor counts = at::bincount(pairs, {}, classes * classes);
    for (std::int64_t i = 0; i < classes * classes; ++i) {
      if (const auto times = counts.const_data_ptr<std::int64_t>()[i]; times > 0) confusion_.add(i / classes, i % classes, times);
    }
  }

  Confusion confusion_;
  Outcomes outcomes_;
};

// Counts how often each pair of label and prediction was chosen: there are few, whatever the number of examples.
template <ConfusionFigure figure>
Figure confusion_figure(const Outcomes& outcomes, const MetricSettings&) {
  using Pair = std::pair<float, float>;
  std::map<Pair, std::size_t> ids;
  std::vector<Pair> pairs;
  std::vector<std::size_t> pair_of;
  for (std::size_t i = 0; i < outcomes.value.size(); ++i) {
    const Pair pair{outcomes.against[i], outcomes.value[i]};
    const auto [entry, added] = ids.emplace(pair, pairs.size());
    if (added) pairs.push_back(pair);
    pair_of.push_back(entry->second);
  }
  return [pairs = std::move(pairs), pair_of = std::move(pair_of)](std::span<const std::int64_t> examples) {
    std::vector<std::int64_t> counts(pairs.size(), 0);
    for (const auto i : examples) ++counts[pair_of[static_cast<std::size_t>(i)]];
    Confusion confusion;
    for (std::size_t p = 0; p < pairs.size(); ++p) {
      const auto label = static_cast<std::int64_t>(pairs[p].first);
      if (counts[p] > 0 && label != kNoLabel) confusion.add(label, static_cast<std::int64_t>(pairs[p].second), counts[p]);
    }
    return figure(confusion);
  };
}

template <ConfusionFigure figure>
constexpr MetricKind confusion_kind(std::string_view name) {
  return {name, make_metric_of<ConfusionMetric<figure>>, confusion_figure<figure>};
}

// At the usual threshold of two classes the best class decides, as in all others of these metrics.
template <ConfusionFigure figure, AtThreshold rate>
std::unique_ptr<Metric> make_rate(const Dataset& dataset, const MetricSettings& settings) {
  return has_own_threshold(settings) ? make_threshold_metric(rate, settings) : make_metric_of<ConfusionMetric<figure>>(dataset, settings);
}
template <ConfusionFigure figure, AtThreshold rate>
Figure rate_figure(const Outcomes& outcomes, const MetricSettings& settings) {
  return has_own_threshold(settings) ? threshold_figure(rate, outcomes, settings) : confusion_figure<figure>(outcomes, settings);
}

}  // namespace

std::span<const MetricKind> class_metrics() {
  static constexpr MetricKind kKinds[] = {
      {"top1", make_metric_of<TopK<1>>},
      {"top5", make_metric_of<TopK<5>>},
      confusion_kind<binary_f1>("f1"),
      confusion_kind<macro_f1>("macro_f1"),
      confusion_kind<matthews>("matthews"),
      confusion_kind<balanced_accuracy>("balanced_accuracy"),
      confusion_kind<kappa>("kappa"),
      confusion_kind<mean_iou>("miou"),
      {"false_alarms", make_rate<false_alarms, AtThreshold::false_alarms>, rate_figure<false_alarms, AtThreshold::false_alarms>},
      {"misses", make_rate<misses, AtThreshold::misses>, rate_figure<misses, AtThreshold::misses>}};
  return kKinds;
}

}  // namespace dsc
