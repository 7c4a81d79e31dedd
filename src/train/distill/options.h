// What a training towards a teacher minimises: a weighted sum of losses between the networks, and on labels.
//
//   losses: [{kd: {weight: 0.9, temperature: 3}}, {labels: {weight: 0.1}}, {hidden: {mapping: uniform}}]
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dscompress/fields.h"
#include "train/schedule.h"
#include "train/train.h"

namespace dsc {

// Which of the teacher's layers each layer of the student learns from, counted from 0 of N and M layers.
// uniform: m from (m + 1) * N / M - 1, rounded. last: m from N - M + m. final: the last from the last, no others.
enum class Mapping : std::uint8_t { uniform, last, final };
std::span<const std::string_view> enum_names(Mapping);

struct LayerMap {
  Mapping mapping = Mapping::uniform;
  std::map<std::string, std::string> layers;  // student's -> teacher's, by number or module glob; in place of `mapping`
  void fields(FieldVisitor& visit);
};

// Cross-entropy with the labels, or mean squared error for regressions.
struct Labels {
  static constexpr const char* kName = "labels";
  Ramp weight{1};
  void fields(FieldVisitor& visit);
};

// --- on scores: train/distill/score_loss.h ---
struct Kd {
  static constexpr const char* kName = "kd";
  Ramp weight{1}, temperature{3};
  void fields(FieldVisitor& visit);
};
struct Dkd {
  static constexpr const char* kName = "dkd";
  Ramp weight{1}, temperature{4};
  double target_weight = 1, rest_weight = 8;
  void fields(FieldVisitor& visit);
};
struct Dist {
  static constexpr const char* kName = "dist";
  Ramp weight{1}, temperature{4};
  double class_weight = 2, example_weight = 2;
  void fields(FieldVisitor& visit);
};
struct OutputError {
  static constexpr const char* kName = "outputs";
  Ramp weight{1};
  void fields(FieldVisitor& visit);
};

// --- on inner values: train/distill/layer_loss.h ---
struct Hidden {
  static constexpr const char* kName = "hidden";
  Ramp weight{1};
  LayerMap map;
  void fields(FieldVisitor& visit);
};
struct Embedding {
  static constexpr const char* kName = "embedding";
  Ramp weight{1};
  void fields(FieldVisitor& visit);
};
enum class AttentionDistance : std::uint8_t { scores, probabilities, divergence };
std::span<const std::string_view> enum_names(AttentionDistance);
struct AttentionLoss {
  static constexpr const char* kName = "attention";
  Ramp weight{1};
  AttentionDistance distance = AttentionDistance::scores;
  LayerMap map;
  void fields(FieldVisitor& visit);
};
enum class Relation : std::uint8_t { value, query, key };
std::span<const std::string_view> enum_names(Relation);
struct RelationLoss {
  static constexpr const char* kName = "relation";
  Ramp weight{1};
  Relation of = Relation::value;
  std::int64_t heads = 0;
  LayerMap map{.mapping = Mapping::final};
  void fields(FieldVisitor& visit);
};
struct SpatialAttention {
  static constexpr const char* kName = "spatial_attention";
  Ramp weight{1};
  LayerMap map;
  void fields(FieldVisitor& visit);
};

using LossConfig = std::variant<Labels, Kd, Dkd, Dist, OutputError, Hidden, Embedding, AttentionLoss, RelationLoss, SpatialAttention>;

// fixed: as written. uncertainty: each loss is multiplied by exp(-s), and s / 2 is added, with a learned s that starts at 0.
// source: Kendall et al. 2018, arXiv:1705.07115, section 3.2.
enum class Weighting : std::uint8_t { fixed, uncertainty };
std::span<const std::string_view> enum_names(Weighting);

struct TeacherConfig {
  FilePath path, weights;
  double weight = 1;
  std::map<std::string, std::string> inputs;  // the teacher's name -> the data's
  void fields(FieldVisitor& visit);
};

// How the scores of several teachers become one (train/distill/fusion.h).
enum class Fusion : std::uint8_t { mean, weighted, confidence };
std::span<const std::string_view> enum_names(Fusion);

struct DistillTargets {
  std::vector<LossConfig> losses = {Kd{.weight = {0.9}}, Labels{.weight = {0.1}}};
  Weighting weighting = Weighting::fixed;
  std::vector<TeacherConfig> teachers;  // empty: the model before the first step
  Fusion fusion = Fusion::mean;
  std::vector<std::int64_t> outputs = {0};
  std::string mask;
  bool cache = false;
  void fields(FieldVisitor& visit);
};

// What every training towards a teacher can set: the pass `distill`, and passes that train between their steps.
struct DistillOptions {
  TrainOptions train;
  DistillTargets targets;
  void fields(FieldVisitor& visit);
};

// Whether any loss but that on labels has a weight.
bool has_teacher(const DistillTargets& targets);
std::string name_of(const LossConfig& loss);
const Ramp& weight_of(const LossConfig& loss);
// null for losses that read no layers.
const LayerMap* layer_map_of(const LossConfig& loss);
// Whether the loss reads inner values.
bool reads_layers(const LossConfig& loss);

}  // namespace dsc
