#include "train/distill/options.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "dscompress/error.h"

namespace dsc {
std::span<const std::string_view> enum_names(Mapping) {
  static constexpr std::array<std::string_view, 3> kNames{"uniform", "last", "final"};
  return kNames;
}
std::span<const std::string_view> enum_names(Weighting) {
  static constexpr std::array<std::string_view, 2> kNames{"fixed", "uncertainty"};
  return kNames;
}
std::span<const std::string_view> enum_names(Fusion) {
  static constexpr std::array<std::string_view, 3> kNames{"mean", "weighted", "confidence"};
  return kNames;
}

void LayerMap::fields(FieldVisitor& visit) {
  visit("mapping", mapping, {.text = "Which of the teacher's layers a layer learns from: evenly spread ones, its last ones, or (final) only the last from the last."});
  visit("layers", layers, {.text = "Layers of the student and theirs of the teacher, by number (in quotes) or module glob; in place of `mapping`."});
}

void visit_weight(Ramp& weight, FieldVisitor& visit) {
  visit("weight", weight.from, {.text = "Factor of this loss.", .minimum = 0});
  visit("final_weight", weight.to, {.text = "Factor at the end, when it moves over the training.", .minimum = 0});
}

void Labels::fields(FieldVisitor& visit) { visit_weight(weight, visit); }

void TeacherConfig::fields(FieldVisitor& visit) {
  visit("path", path, {.text = "The teacher's model file; empty: the model before the first step."});
  visit("weights", weights, {.text = "Weights to swap in by name (.safetensors)."});
  visit("weight", weight, {.text = "Its share, for fusion: weighted.", .minimum = 0});
  visit("inputs", inputs, {.text = "The teacher's inputs and those of the data that they are fed from, where names differ."});
}

void DistillTargets::fields(FieldVisitor& visit) {
  visit("losses", losses, {.text = "What the training minimises: a weighted sum of these."});
  visit("weighting", weighting, {.text = "Weights of the losses as written, or multiplied by factors that are learned from their uncertainty."});
  visit("teachers", teachers, {.text = "The teachers; empty: the model before the first step (or after `evaluate.baseline`)."});
  visit("fusion", fusion, {.text = "How scores of several teachers become one: their mean, weighted by `weight`, or example by example by how sure each is."});
  visit("outputs", outputs, {.text = "Outputs that are scores, counted from 0.", .minimum = 0});
  visit("mask", mask, {.text = "Input of 1 for positions that count and 0 for padding, for losses on inner values and on scores of positions; empty: all count."});
  visit("cache", cache, {.text = "Keep the teachers' outputs on disk (runs/cache), for data without augmentation and losses on scores."});
  visit.check(losses.empty() ? "`losses` must name at least one loss" : "");
  visit.check(outputs.empty() ? "`outputs` must name at least one output" : "");
  const bool any = std::any_of(losses.begin(), losses.end(), [](const auto& loss) { return weight_of(loss).at(0) > 0 || weight_of(loss).at(1) > 0; });
  visit.check(any || losses.empty() ? "" : "every loss has weight 0");
  const bool sum = std::any_of(teachers.begin(), teachers.end(), [](const auto& teacher) { return teacher.weight > 0; });
  const auto inner = std::find_if(losses.begin(), losses.end(), [](const auto& loss) { return reads_layers(loss); });
  visit.check(cache && inner != losses.end() ? "cache keeps scores only, and the loss `" + name_of(*inner) + "` reads inner values" : "");
  visit.check(teachers.empty() || sum ? "" : "every teacher has weight 0");
}

void DistillOptions::fields(FieldVisitor& visit) {
  train.fields(visit);
  targets.fields(visit);
}

bool has_teacher(const DistillTargets& targets) {
  return std::any_of(targets.losses.begin(), targets.losses.end(), [](const LossConfig& loss) { return !std::holds_alternative<Labels>(loss); });
}

std::string name_of(const LossConfig& loss) {
  return std::visit([](const auto& config) { return std::string(config.kName); }, loss);
}

const Ramp& weight_of(const LossConfig& loss) {
  return std::visit([](const auto& config) -> const Ramp& { return config.weight; }, loss);
}

const LayerMap* layer_map_of(const LossConfig& loss) {
  return std::visit([](const auto& config) -> const LayerMap* {
    if constexpr (requires { config.map; }) return &config.map;
    else return nullptr;
  }, loss);
}

bool reads_layers(const LossConfig& loss) {
  return std::visit([]<class Loss>(const Loss&) { return ComparesValues<Loss>; }, loss);
}

bool reads_scores(const LossConfig& loss) {
  return std::visit([]<class Loss>(const Loss&) { return ComparesScores<Loss>; }, loss);
}

SiteKind site_of(const LossConfig& loss) {
  return std::visit(
      []<class Loss>(const Loss& config) -> SiteKind {
        if constexpr (ComparesValues<Loss>)
          return config.reads();
        else
          throw Error(ErrorCode::internal, std::string("the loss ") + Loss::kName + " reads no layers");
      },
      loss);
}

bool needs_labels(const LossConfig& loss) {
  return std::visit([]<class Loss>(const Loss&) { return requires { requires Loss::kNeedsLabels; }; }, loss);
}

}  // namespace dsc
