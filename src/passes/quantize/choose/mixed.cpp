#include "passes/quantize/choose/mixed.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/file.h"
#include "core/printed.h"
#include "passes/quantize/after_training.h"
#include "passes/quantize/choose/knapsack.h"
#include "passes/quantize/choose/mixed_layers.h"
#include "passes/quantize/choose/search.h"
#include "train/monitor.h"

namespace dsc::quantize {
namespace {

double in_bytes(const Quantity& quantity, double before) {
  const std::map<std::string, double> factors = {{"B", 1}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"%", before / 100}};
  return quantity.value * factors.at(quantity.unit);
}

class Search {
 public:
  Search(Model& model, const Options& options, PassContext& context)
      : model_(model), prepared_(model.clone()), options_(options), mixed_(*options.mixed), context_(context), bytes_before_(static_cast<double>(weight_bytes(model))) {
    if (mixed_.budget.drop && !context.has_data(Split::valid)) {
      throw Error(ErrorCode::recipe, "a budget of drop is measured on data.valid, and the recipe has none", {.pointer = "/mixed/budget/drop"}, "add data.valid");
    }
    precisions_ = prepare(prepared_, options, context);
    layers_ = find_mixed_layers(prepared_, precisions_, options);
    find_errors();
  }

  Assignment run() {
    const Widths chosen = mixed_.budget.bytes ? within_bytes() : mixed_.budget.latency ? within_latency() : within_drop();
    return report(chosen);
  }

 private:
  void find_errors() {
    const auto expected = [](const MixedLayer& layer, std::int64_t bits) { return layer.elements * std::pow(4.0, -static_cast<double>(bits)); };
    const SenseTable table = context_.dry_run()            ? SenseTable{}
                             : !mixed_.table.empty() ? parse_sense_table(read_file(mixed_.table.path))
                                                     : measure_output_errors(prepared_, precisions_, options_, context_);
    std::map<std::pair<std::string, double>, double> measured;
    for (const SensePoint& point : table.points)
      measured[{point.part, point.setting}] = std::max(0.0, fall_of(table.metric, table.base, point.value));
    for (MixedLayer& layer : layers_.list) {
      for (const std::int64_t bits : mixed_.bits) {
        const auto found = measured.find({layer.part, static_cast<double>(bits)});
        if (bits != kFloatBits && found == measured.end() && !context_.dry_run()) {
          throw Error(ErrorCode::data, "the sensitivity table has no `" + layer.part + "` at " + std::to_string(bits) + " bits", {.file = mixed_.table.path},
                      "measure it again for this model and these options: dscompress sense RECIPE --json");
        }
        layer.errors.push_back(bits == kFloatBits ? 0 : context_.dry_run() ? expected(layer, bits) : found->second);
      }
    }
  }

  double bytes_at(const MixedLayer& layer, std::size_t width) const { return bytes_of(layer, mixed_.bits[width], precisions_.at(layer.node).weights); }

  template <class CostOf>
  std::vector<std::vector<Choice>> items(CostOf cost_of) const {
    std::vector<std::vector<Choice>> list;
    for (const MixedLayer& layer : layers_.list) {
      list.emplace_back();
      for (std::size_t i = 0; i < mixed_.bits.size(); ++i) list.back().push_back({cost_of(layer, i), layer.errors[i]});
    }
    return list;
  }

  double bytes_of_all(const Widths& chosen) const {
    double sum = layers_.rest;
    for (std::size_t i = 0; i < layers_.list.size(); ++i) sum += bytes_at(layers_.list[i], chosen[i]);
    return sum;
  }

  Widths within_bytes() {
    const auto list = items([&](const MixedLayer& layer, std::size_t width) { return bytes_at(layer, width); });
    const double budget = in_bytes(*mixed_.budget.bytes, bytes_before_);
    if (const auto chosen = find_least_loss(list, budget - layers_.rest)) return mixed_.search ? searched(list, budget - layers_.rest, *chosen) : *chosen;
    double least = layers_.rest;
    for (const auto& choices : list) least += std::min_element(choices.begin(), choices.end(), [](auto& a, auto& b) { return a.cost < b.cost; })->cost;
    throw Error(ErrorCode::recipe, "weights of " + printed("%.0f", budget) + " bytes cannot be reached: at the narrowest widths they are " + printed("%.0f", least) +
                                       " (" + printed("%.1f", 100 * least / bytes_before_) + " % of those before)",
                {.pointer = "/mixed/budget/bytes"}, "raise the budget, or add narrower `bits`");
  }

  // By trying, from the choice of least error on. Ranges of activations do not depend on the widths of weights.
  Widths searched(const std::vector<std::vector<Choice>>& list, double budget, const Widths& start) {
    require_validation(context_, "/mixed/search");
    const std::string metric = choose_deciding_metric(context_.evaluate(prepared_, Split::valid, 1), "`mixed: {search: ...}`");
    if (context_.dry_run()) return start;
    const auto ranges = calibrate_all(prepared_, precisions_, options_, context_);
    const auto measure = [&](const Widths& widths) { return context_.evaluate(quantized(widths, ranges), Split::valid, mixed_.search->evaluate).at(metric); };
    WidthSearch found = search_widths(layers_.list, list, budget, start, *mixed_.search, metric, measure, model_, context_);
    note_ = search::note_of(found.record);
    measured_.push_back({"search_best_" + metric, found.record.best().value, ""});
    return std::move(found.best);
  }

  Model quantized(const Widths& chosen, const std::map<std::string, Range>& ranges = {}) const {
    Precisions precisions = precisions_;
    set_widths(precisions, assignment_of(chosen));
    Model copy = prepared_.clone();
    quantize_prepared(copy, precisions, options_, context_, ranges);
    return copy;
  }

  // Of the model before, with all layers at one width, by width.
  std::vector<double> latencies_of_widths() const {
    std::vector<Model> models;
    for (std::size_t i = 0; i < mixed_.bits.size(); ++i) models.push_back(quantized(Widths(layers_.list.size(), i)));
    std::vector<const Model*> list{&prepared_};
    for (const Model& model : models) list.push_back(&model);
    const auto times = context_.latencies_ms(list);
    std::vector<double> shares;
    for (std::size_t i = 1; i < times.size(); ++i) shares.push_back(times[i] / times[0]);
    return shares;
  }

  Widths within_latency() {
    const double budget = *mixed_.budget.latency;
    std::vector<double> shares;
    if (context_.dry_run()) {
      for (const std::int64_t bits : mixed_.bits) shares.push_back(static_cast<double>(bits) / kFloatBits);
    } else {
      shares = latencies_of_widths();
    }
    double macs = 0;
    for (const MixedLayer& layer : layers_.list) macs += layer.macs;
    if (macs == 0) {
      throw Error(ErrorCode::recipe, "a budget of latency is divided among layers by their multiply-accumulates, and none of these layers has any",
                  {.pointer = "/mixed/budget/latency"}, "give a budget of bytes or drop");
    }
    const auto list = items([&](const MixedLayer& layer, std::size_t width) { return layer.macs / macs * shares[width]; });
    double allowed = budget, measured = *std::min_element(shares.begin(), shares.end());
    constexpr int kTries = 5;
    constexpr double kNoise = 0.02;
    for (int i = 0; i < kTries; ++i) {
      const auto chosen = find_least_loss(list, allowed);
      if (!chosen) break;
      if (context_.dry_run()) return *chosen;
      const Model model = quantized(*chosen);
      const auto times = context_.latencies_ms({&prepared_, &model});
      measured = times[1] / times[0];
      measured_.push_back({"latency_share", measured, ""});
      if (measured <= budget * (1 + kNoise)) return *chosen;
      allowed *= budget / measured;
    }
    if (context_.dry_run()) return Widths(layers_.list.size(), 0);
    throw Error(ErrorCode::recipe, "a latency of " + printed("%.3f", budget) + " of the model's before cannot be reached: measured " + printed("%.3f", measured),
                {.pointer = "/mixed/budget/latency"}, "raise the budget, or add narrower `bits`");
  }

  double drop_of(const Widths& chosen) const { return drop_.lost(base_, context_.evaluate(quantized(chosen), Split::valid).at(drop_.metric)); }

  Widths within_drop() {
    const auto by_error = items([&](const MixedLayer& layer, std::size_t width) { return bytes_at(layer, width); });
    std::vector<std::vector<Choice>> by_bytes = by_error;
    double least = 0, most = 0;
    for (auto& choices : by_bytes) {
      for (Choice& choice : choices) std::swap(choice.cost, choice.loss);
      const auto [low, high] = std::minmax_element(choices.begin(), choices.end(), [](auto& a, auto& b) { return a.cost < b.cost; });
      least += low->cost;
      most += high->cost;
    }
    Widths best = *find_least_loss(by_bytes, least);
    require_validation(context_, "/mixed/budget/drop");
    const Metrics before = context_.evaluate(prepared_, Split::valid);
    drop_ = choose_drop(before, *mixed_.budget.drop, "/mixed/budget/drop");
    if (context_.dry_run()) return best;
    base_ = before.at(drop_.metric);
    double drop = drop_of(best);
    if (!drop_.allows(drop)) {
      const auto& [allowed, unit] = drop_.allowed;
      throw Error(ErrorCode::recipe, "a drop of " + printed("%.2f ", allowed) + unit + " cannot be kept: with the least error it is " + printed("%.2f ", drop) + unit,
                  {.pointer = "/mixed/budget/drop"}, "raise the budget, or add wider `bits`, 32 for floating point");
    }
    constexpr int kSteps = 8;
    double low = std::log(std::max(least, most * 1e-9)), high = std::log(std::max(most, 1e-300));
    for (int i = 0; i < kSteps && low < high; ++i) {
      const double middle = i == 0 ? high : (low + high) / 2;
      const Widths chosen = *find_least_loss(by_bytes, std::exp(middle));
      const double now = chosen == best ? drop : drop_of(chosen);
      if (!drop_.allows(now)) {
        high = middle;
        continue;
      }
      low = middle;
      if (bytes_of_all(chosen) > bytes_of_all(best)) continue;
      best = chosen;
      drop = now;
    }
    measured_.push_back({"measured_drop", drop, drop_.allowed.unit});
    return best;
  }

  Assignment assignment_of(const Widths& chosen) const {
    Assignment assignment;
    for (std::size_t i = 0; i < layers_.list.size(); ++i) assignment.bits[layers_.list[i].node] = mixed_.bits[chosen[i]];
    for (const auto& [layer, first] : layers_.shared) {
      if (const auto found = assignment.bits.find(first); found != assignment.bits.end()) assignment.bits[layer] = found->second;
    }
    return assignment;
  }

  Assignment report(const Widths& chosen) const {
    Assignment result = assignment_of(chosen);
    result.table = {.name = "mixed_precision", .columns = {"module", "bits", "weights", "bytes"}, .rows = {}};
    for (const std::int64_t bits : mixed_.bits) result.table.columns.push_back("error at " + std::to_string(bits));
    double error = 0, elements = 0, bits = 0;
    for (std::size_t i = 0; i < layers_.list.size(); ++i) {
      const MixedLayer& layer = layers_.list[i];
      const std::int64_t width = mixed_.bits[chosen[i]];
      error += layer.errors[chosen[i]];
      elements += layer.elements;
      bits += layer.elements * static_cast<double>(width);
      result.table.rows.push_back({layer.part, std::to_string(width), printed("%.0f", layer.elements), printed("%.0f", bytes_at(layer, chosen[i]))});
      for (const double at_width : layer.errors) result.table.rows.back().push_back(printed("%.3g", at_width));
    }
    result.statistics = {{"mean_weight_bits", bits / elements, "bits"}, {"weights_on_disk", bytes_of_all(chosen), "bytes"}, {"expected_error", error, ""}};
    if (!measured_.empty()) result.statistics.push_back(measured_.back());
    result.note = note_;
    return result;
  }

  Model& model_;
  Model prepared_;
  const Options& options_;
  const MixedOptions& mixed_;
  PassContext& context_;
  double bytes_before_;
  Precisions precisions_;
  MixedLayers layers_;
  Drop drop_;
  double base_ = 0;
  std::vector<Statistic> measured_;
  std::string note_;
};

std::string to_text(const Assignment& assignment) {
  nlohmann::ordered_json json{{"bits", assignment.bits}, {"columns", assignment.table.columns}, {"rows", assignment.table.rows}, {"note", assignment.note}};
  for (const Statistic& s : assignment.statistics) json["statistics"].push_back({s.name, s.value, s.unit});
  return json.dump();
}

Assignment parse_assignment(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  Assignment assignment{.bits = json.at("bits"), .statistics = {}, .table = {.name = "mixed_precision", .columns = json.at("columns"), .rows = json.at("rows")}, .note = json.at("note")};
  for (const auto& s : json.at("statistics")) assignment.statistics.push_back({s.at(0), s.at(1), s.at(2)});
  return assignment;
}

}  // namespace

Assignment choose_widths(Model& model, const Options& options, PassContext& context) {
  if (!options.mixed) return {};
  return parse_assignment(context.stage("mixed", model, [&] { return to_text(Search(model, options, context).run()); }));
}

void set_widths(Precisions& precisions, const Assignment& assignment) {
  for (const auto& [node, bits] : assignment.bits) {
    LayerPrecision& precision = precisions.at(node);
    if (bits == kFloatBits) precision.precision = Precision::f32;
    else precision.weights.bits = bits;
  }
}

}  // namespace dsc::quantize
