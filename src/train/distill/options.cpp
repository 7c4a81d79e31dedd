#include "train/distill/options.h"

#include <algorithm>
#include <array>
#include <type_traits>

namespace dsc {
namespace {

void visit_weight(Ramp& weight, FieldVisitor& visit) {
  visit("weight", weight.from, {.text = "Factor of this loss.", .minimum = 0});
  visit("final_weight", weight.to, {.text = "Factor at the end, when it moves over the training.", .minimum = 0});
}

void visit_temperature(Ramp& temperature, FieldVisitor& visit) {
  visit("temperature", temperature.from, {.text = "Softens both networks' scores.", .minimum = 0.01, .maximum = 100});
  visit("final_temperature", temperature.to, {.text = "Temperature at the end, when it moves over the training.", .minimum = 0.01, .maximum = 100});
}

}  // namespace

std::span<const std::string_view> enum_names(Mapping) {
  static constexpr std::array<std::string_view, 3> kNames{"uniform", "last", "final"};
  return kNames;
}
std::span<const std::string_view> enum_names(AttentionDistance) {
  static constexpr std::array<std::string_view, 3> kNames{"scores", "probabilities", "divergence"};
  return kNames;
}
std::span<const std::string_view> enum_names(Relation) {
  static constexpr std::array<std::string_view, 3> kNames{"value", "query", "key"};
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

void Labels::fields(FieldVisitor& visit) { visit_weight(weight, visit); }
void Kd::fields(FieldVisitor& visit) {
  visit_weight(weight, visit);
  visit_temperature(temperature, visit);
}
void Dkd::fields(FieldVisitor& visit) {
  visit_weight(weight, visit);
  visit("target_weight", target_weight, {.text = "Weight of the part on the target class (the paper's alpha).", .minimum = 0});
  visit("rest_weight", rest_weight, {.text = "Weight of the part on the other classes (the paper's beta).", .minimum = 0});
  visit_temperature(temperature, visit);
}
void Dist::fields(FieldVisitor& visit) {
  visit_weight(weight, visit);
  visit("class_weight", class_weight, {.text = "Weight of the correlation over classes (the paper's beta).", .minimum = 0});
  visit("example_weight", example_weight, {.text = "Weight of the correlation over examples (the paper's gamma).", .minimum = 0});
  visit_temperature(temperature, visit);
}
void OutputError::fields(FieldVisitor& visit) { visit_weight(weight, visit); }
void Hidden::fields(FieldVisitor& visit) {
  visit_weight(weight, visit);
  map.fields(visit);
}
void Embedding::fields(FieldVisitor& visit) { visit_weight(weight, visit); }
void AttentionLoss::fields(FieldVisitor& visit) {
  visit_weight(weight, visit);
  visit("distance", distance, {.text = "Mean squared error of the scores before the softmax or of the probabilities after it, or the divergence of the probabilities."});
  map.fields(visit);
}
void RelationLoss::fields(FieldVisitor& visit) {
  visit_weight(weight, visit);
  visit("of", of, {.text = "The vectors whose relations count."});
  visit("heads", heads, {.text = "Heads that the vectors are split into for it; 0: those of the networks, which must agree.", .minimum = 0});
  map.fields(visit);
}
void SpatialAttention::fields(FieldVisitor& visit) {
  visit_weight(weight, visit);
  map.fields(visit);
}

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

bool reads_layers(const LossConfig& loss) { return std::holds_alternative<Embedding>(loss) || layer_map_of(loss); }

}  // namespace dsc
