#include "pipeline/wrong_examples.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>

#include "core/base64.h"
#include "data/thumbnail.h"
#include "eval/class_choices.h"

namespace dsc {
namespace {

constexpr std::size_t kMostConfused = 15;
constexpr std::int64_t kThumbnail = 64;   // pixels
constexpr std::size_t kMostText = 400;    // bytes

// What one model chose for each example.
struct Choices {
  const Outcomes& chosen;  // against: labels
  const Outcomes& loss;

  std::int64_t size() const { return chosen.size(); }
  std::int64_t label(std::int64_t i) const { return static_cast<std::int64_t>(chosen.against[static_cast<std::size_t>(i)]); }
  std::int64_t choice(std::int64_t i) const { return static_cast<std::int64_t>(chosen.value[static_cast<std::size_t>(i)]); }
  double loss_of(std::int64_t i) const { return static_cast<double>(loss.value[static_cast<std::size_t>(i)]); }
  bool is_labelled(std::int64_t i) const { return loss.against[static_cast<std::size_t>(i)] > 0; }
  bool is_wrong(std::int64_t i) const { return is_labelled(i) && choice(i) != label(i); }
};

std::optional<Choices> find_choices(const Predictions& predictions, const std::string& model) {
  const auto found = predictions.models.find(model);
  if (found == predictions.models.end()) return std::nullopt;
  const auto chosen = found->second.find(kChosenClass), loss = found->second.find(kLabelLoss);
  if (chosen == found->second.end() || loss == found->second.end()) return std::nullopt;
  return Choices{chosen->second, loss->second};
}

std::vector<std::string> names_of_classes(const Choices& base, const Choices& compressed, const DatasetInfo& info) {
  std::int64_t count = info.classes.value_or(0);
  for (std::int64_t i = 0; i < base.size(); ++i) count = std::max({count, base.label(i) + 1, base.choice(i) + 1, compressed.choice(i) + 1});
  auto names = info.class_names;
  while (static_cast<std::int64_t>(names.size()) < count) names.push_back(std::to_string(names.size()));
  return names;
}

ClassesRecord count_classes(const Choices& base, const Choices& compressed, const DatasetInfo& info) {
  ClassesRecord record{.names = names_of_classes(base, compressed, info), .base = {}, .compressed = {}, .confused = {}};
  std::map<std::array<std::int64_t, 2>, ConfusedRecord> pairs;
  if (record.names.size() <= kMostMatrixClasses) record.base = record.compressed = {record.names.size(), std::vector<std::int64_t>(record.names.size(), 0)};
  for (std::int64_t i = 0; i < base.size(); ++i) {
    if (!base.is_labelled(i)) continue;
    const auto label = base.label(i);
    if (!record.base.empty()) {
      ++record.base[static_cast<std::size_t>(label)][static_cast<std::size_t>(base.choice(i))];
      ++record.compressed[static_cast<std::size_t>(label)][static_cast<std::size_t>(compressed.choice(i))];
    }
    if (base.is_wrong(i)) ++pairs[{label, base.choice(i)}].base;
    if (compressed.is_wrong(i)) ++pairs[{label, compressed.choice(i)}].compressed;
  }
  for (auto& [pair, counts] : pairs) {
    counts.label = pair[0];
    counts.predicted = pair[1];
    if (counts.compressed > 0) record.confused.push_back(counts);
  }
  std::ranges::stable_sort(record.confused, std::greater{}, &ConfusedRecord::compressed);
  record.confused.resize(std::min(record.confused.size(), kMostConfused));
  return record;
}

// At most so many bytes, ending between characters.
std::string beginning_of(const std::string& text) {
  if (text.size() <= kMostText) return text;
  std::size_t end = kMostText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

}  // namespace

void describe_wrong(const Predictions& predictions, const Dataset& dataset, const std::optional<NormalizeConfig>& normalize, std::int64_t most, Report& report) {
  const auto base = find_choices(predictions, kBaseGraph), deployed = find_choices(predictions, kCompressedDeployed);
  const auto compressed = deployed ? deployed : find_choices(predictions, kCompressedGraph);
  report.classes.reset();
  report.examples.clear();
  if (!base || !compressed || base->size() != compressed->size()) return;
  report.classes = count_classes(*base, *compressed, dataset.info());
  std::set<std::int64_t> shown;
  const auto show_worst = [&](const std::string& of, const Choices& model, const std::function<bool(std::int64_t)>& counts) {
    std::vector<std::int64_t> wrong;
    for (std::int64_t i = 0; i < model.size(); ++i) {
      if (model.is_wrong(i) && counts(i) && !shown.contains(i)) wrong.push_back(i);
    }
    std::ranges::stable_sort(wrong, std::greater{}, [&](std::int64_t i) { return model.loss_of(i); });
    wrong.resize(std::min(wrong.size(), static_cast<std::size_t>(most)));
    for (const auto i : wrong) {
      const auto& names = report.classes->names;
      ExampleRecord record{.of = of, .index = i, .label = names[static_cast<std::size_t>(base->label(i))], .base = names[static_cast<std::size_t>(base->choice(i))],
                           .compressed = names[static_cast<std::size_t>(compressed->choice(i))], .base_loss = base->loss_of(i), .compressed_loss = compressed->loss_of(i),
                           .text = beginning_of(dataset.show(i)), .picture = {}};
      const std::array<std::int64_t, 1> index{i};
      const auto batch = record.text.empty() ? dataset.batch(index, std::nullopt) : Batch{};
      if (batch.inputs.size() == 1 && batch.inputs.front().dim() == 4) {
        if (const auto png = thumbnail_png(batch.inputs.front()[0], normalize, kThumbnail)) record.picture = "data:image/png;base64," + base64(*png);
      }
      shown.insert(i);
      report.examples.push_back(std::move(record));
    }
  };
  show_worst("turned wrong", *compressed, [&](std::int64_t i) { return !base->is_wrong(i); });
  show_worst("compressed", *compressed, [](std::int64_t) { return true; });
  show_worst("base", *base, [](std::int64_t) { return true; });
}

}  // namespace dsc
