// How well a language model writes on from prompts, against references.
#include <algorithm>
#include <string>
#include <vector>

#include "dscompress/error.h"
#include "eval/bert_score.h"
#include "eval/greedy.h"
#include "eval/metric.h"
#include "text/generation_score.h"

namespace dsc {
namespace {

constexpr double kPercent = 100;

// Corpus scores, from counts that add up. sacrebleu's figures, as shares.
struct Bleu {
  BleuCounts counts;
  void add(const std::string& text, const std::string& reference) { counts += bleu_counts(text, std::span(&reference, 1)); }
  double value() const { return bleu(counts) / kPercent; }
};
struct Chrf {
  ChrfCounts counts;
  void add(const std::string& text, const std::string& reference) { counts += chrf_counts(text, std::span(&reference, 1)); }
  double value() const { return chrf(counts) / kPercent; }
};
// Means over examples.
template <class Score>
struct MeanScore {
  double sum = 0, count = 0;
  void add(const std::string& text, const std::string& reference) {
    sum += Score::of(text, reference);
    count += 1;
  }
  double value() const { return sum / std::max(1.0, count); }
};
template <std::size_t n>
struct RougeN {
  static double of(const std::string& text, const std::string& reference) { return rouge_n(text, reference, n); }
};
struct RougeL {
  static double of(const std::string& text, const std::string& reference) { return rouge_l(text, reference); }
};

const GenerationKey* generation_key(const Dataset& dataset) {
  if (const GenerationKey* key = dataset.generation()) return key;
  throw Error(ErrorCode::data, "bleu, chrf, rouge and bertscore compare generated texts with references, and the data has none", {},
              "use data of format generation");
}

std::int64_t whole_number(const MetricSettings& settings, std::string_view name) { return static_cast<std::int64_t>(settings.find(name)->second); }

template <class Score>
class GenerationMetric final : public Metric {
 public:
  GenerationMetric(const Dataset& dataset, const MetricSettings& settings) : key_(generation_key(dataset)), most_(whole_number(settings, "tokens")) {}
  void add(const Prediction& prediction) override {
    const auto& texts = prediction.texts->of(most_);
    for (std::size_t i = 0; i < texts.size(); ++i) score_.add(texts[i], key_->references[static_cast<std::size_t>(prediction.batch.indices[i])]);
  }
  double value() const override { return score_.value(); }

 private:
  const GenerationKey* key_;
  std::int64_t most_;
  Score score_;
};

// The mean over examples of one part of BERTScore.
template <double BertScore::* part>
class BertScoreMetric final : public Metric {
 public:
  BertScoreMetric(const Dataset& dataset, const MetricSettings& settings)
      : most_(whole_number(settings, "tokens")), output_(whole_number(settings, "output")), idf_(whole_number(settings, "idf") != 0) {
    if (!generation_key(dataset)->encoder.empty()) return;
    throw Error(ErrorCode::data, "bertscore needs a text encoder, and the data names none", {},
                "add encoder: MODEL.pt2 to the data, its tokenizer beside it");
  }
  void add(const Prediction& prediction) override {
    for (const BertScore& score : prediction.meanings->of(most_, output_, idf_)) {
      sum_ += score.*part;
      count_ += 1;
    }
  }
  double value() const override { return sum_ / std::max(1.0, count_); }

 private:
  std::int64_t most_, output_;
  bool idf_;
  double sum_ = 0, count_ = 0;
};

template <double BertScore::* part>
std::unique_ptr<Metric> make_bert_score(const Dataset& dataset, const MetricSettings& settings) {
  return std::make_unique<BertScoreMetric<part>>(dataset, settings);
}

template <class Score>
std::unique_ptr<Metric> make_generation(const Dataset& dataset, const MetricSettings& settings) {
  return std::make_unique<GenerationMetric<Score>>(dataset, settings);
}

}  // namespace

std::span<const MetricKind> generation_metrics() {
  static constexpr MetricKind kKinds[] = {{"bleu", make_generation<Bleu>},
                                          {"chrf", make_generation<Chrf>},
                                          {"rouge1", make_generation<MeanScore<RougeN<1>>>},
                                          {"rouge2", make_generation<MeanScore<RougeN<2>>>},
                                          {"rougel", make_generation<MeanScore<RougeL>>},
                                          {"bertscore_precision", make_bert_score<&BertScore::precision>},
                                          {"bertscore_recall", make_bert_score<&BertScore::recall>},
                                          {"bertscore_f1", make_bert_score<&BertScore::f1>}};
  return kKinds;
}

}  // namespace dsc
