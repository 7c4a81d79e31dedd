// What a training towards a teacher minimises: a weighted sum of losses between the networks, and on labels.
//
//   losses: [{kd: {weight: 0.9, temperature: 3}}, {labels: {weight: 0.1}}, {hidden: {mapping: uniform}}]
#pragma once

#include <ATen/core/Tensor.h>

#include <concepts>
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

struct ScorePair;  // losses/scores.h

// Inner values of a network, found by anatomy.h.
enum class SiteKind : std::uint8_t { hidden, attention_scores, attention_probabilities, query, key, value };

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

// --- Losses. What each compares and how is in its file in losses/; its struct here says what of the networks it reads: scores
// where it compares a ScorePair, inner values where it has `reads`. ---

void visit_weight(Ramp& weight, FieldVisitor& visit);

// On scores:
struct Kd {
  static constexpr const char* kName = "kd";
  Ramp weight{1}, temperature{3};
  void fields(FieldVisitor& visit);
  at::Tensor compare(const ScorePair& pair) const;
};
struct Dkd {
  static constexpr const char* kName = "dkd";
  static constexpr bool kNeedsLabels = true;
  Ramp weight{1}, temperature{4};
  double target_weight = 1, rest_weight = 8;
  void fields(FieldVisitor& visit);
  at::Tensor compare(const ScorePair& pair) const;
};
struct Dist {
  static constexpr const char* kName = "dist";
  Ramp weight{1}, temperature{4};
  double class_weight = 2, example_weight = 2;
  void fields(FieldVisitor& visit);
  at::Tensor compare(const ScorePair& pair) const;
};
struct OutputError {
  static constexpr const char* kName = "outputs";
  Ramp weight{1};
  void fields(FieldVisitor& visit);
  at::Tensor compare(const ScorePair& pair) const;
};

// On inner values. mask [N, S]: 1 for positions that count, 0 for padding; undefined: all count. `remedy`: what to do where two
// values cannot be compared; empty: they can. kProjects: where sizes differ in one dimension, the student's value goes through
// a learned projection.
struct Hidden {
  static constexpr const char* kName = "hidden";
  static constexpr bool kProjects = true;
  Ramp weight{1};
  LayerMap map;
  void fields(FieldVisitor& visit);
  SiteKind reads() const { return SiteKind::hidden; }
  at::Tensor compare(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) const;
};
struct Embedding {
  static constexpr const char* kName = "embedding";
  static constexpr bool kProjects = true;
  Ramp weight{1};
  void fields(FieldVisitor& visit);
  SiteKind reads() const { return SiteKind::hidden; }
  at::Tensor compare(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) const;
};
enum class AttentionDistance : std::uint8_t { scores, probabilities, divergence };
std::span<const std::string_view> enum_names(AttentionDistance);
struct AttentionLoss {
  static constexpr const char* kName = "attention";
  Ramp weight{1};
  AttentionDistance distance = AttentionDistance::scores;
  LayerMap map;
  void fields(FieldVisitor& visit);
  SiteKind reads() const;
  std::string remedy(const at::Tensor& student, const at::Tensor& teacher) const;
  at::Tensor compare(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) const;
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
  SiteKind reads() const;
  std::string remedy(const at::Tensor& student, const at::Tensor& teacher) const;
  at::Tensor compare(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) const;
};
struct SpatialAttention {
  static constexpr const char* kName = "spatial_attention";
  static constexpr bool kIgnoresMask = true;
  Ramp weight{1};
  LayerMap map;
  void fields(FieldVisitor& visit);
  SiteKind reads() const { return SiteKind::hidden; }
  std::string remedy(const at::Tensor& student, const at::Tensor& teacher) const;
  at::Tensor compare(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) const;
};

using LossConfig = std::variant<Labels, Kd, Dkd, Dist, OutputError, Hidden, Embedding, AttentionLoss, RelationLoss, SpatialAttention>;

template <class Loss>
concept ComparesScores = requires(const Loss& loss, const ScorePair& pair) { loss.compare(pair); };
template <class Loss>
concept ComparesValues = requires(const Loss& loss, const at::Tensor& tensor) {
  loss.reads();
  loss.compare(tensor, tensor, tensor);
};
// Every loss is on labels, on scores, or on inner values: one that says none of these does not compile.
template <class Loss>
concept SaysWhatItReads = std::same_as<Loss, Labels> || ComparesScores<Loss> || ComparesValues<Loss>;
static_assert([]<SaysWhatItReads... Losses>(const std::variant<Losses...>*) { return true; }(static_cast<const LossConfig*>(nullptr)));

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
// Whether the loss reads inner values, and which.
bool reads_layers(const LossConfig& loss);
bool reads_scores(const LossConfig& loss);
SiteKind site_of(const LossConfig& loss);  // precondition: reads_layers
// Whether the loss, one on scores, needs class labels beside them.
bool needs_labels(const LossConfig& loss);

}  // namespace dsc
