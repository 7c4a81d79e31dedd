// How much each removable unit matters to the model.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/pass.h"
#include "ops/channel_groups.h"

namespace dsc::prune {

// A new one is an enumerator here and a row in importance.cpp.
enum class Importance : std::uint8_t { l1, l2, bn_scale, fpgm, lamp, taylor, hessian, activation, routing, reap, random };
std::span<const std::string_view> enum_names(Importance);

// How the scores of a unit's members (the layers that write or read it) become one.
enum class Combine : std::uint8_t { mean, sum, max, product };
std::span<const std::string_view> enum_names(Combine);

// What a group's scores are divided by, or standardised with, so that groups can be ranked against each other.
enum class Normalize : std::uint8_t { none, mean, max, sum, standardize };
std::span<const std::string_view> enum_names(Normalize);

// Which members count: the layers that make the channel, or those that read it as well.
enum class Members : std::uint8_t { producers, all };
std::span<const std::string_view> enum_names(Members);

// A score for each unit of a group, from elsewhere (dscompress/prune.h).
using GroupScores = std::function<std::vector<double>(const Model& model, const ChannelGroups& groups, const ChannelGroup& group)>;

struct ImportanceOptions {
  GroupScores own;  // where there are any, `importance` says nothing
  Importance importance = Importance::l1;
  Combine combine = Combine::mean;
  Members members = Members::producers;
  Normalize normalize = Normalize::mean;
  std::int64_t batches = 10;  // of data, for those that need it
  std::int64_t batch = 64;
  void fields(FieldVisitor& visit);
};

bool needs_gradients(const ImportanceOptions& options);    // and thus labelled training data
bool needs_activations(const ImportanceOptions& options);  // and thus any data: calibration, or else training
bool measures_experts(const ImportanceOptions& options);   // and nothing else

// One score for each unit, normalised within its group; larger matters more. In a rehearsal, importances that need data
// are replaced by l1.
// errors: data, when data is needed and there is none.
std::vector<double> unit_scores(const Model& model, const ChannelGroups& groups, const ImportanceOptions& options,
                                PassContext& context, std::uint64_t seed);

}  // namespace dsc::prune
