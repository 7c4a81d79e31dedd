// How much each removable unit matters to the model.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/pass.h"
#include "ops/channel_groups.h"

namespace dsc::prune {

enum class Importance : std::uint8_t { l1, l2, bn_scale, fpgm, lamp, taylor, hessian, random };
std::span<const std::string_view> enum_names(Importance);

// How the scores of a unit's members (the layers that write or read it) become one.
enum class Combine : std::uint8_t { mean, sum, max, product };
std::span<const std::string_view> enum_names(Combine);

// Which members count: the layers that make the channel, or those that read it as well.
enum class Members : std::uint8_t { producers, all };
std::span<const std::string_view> enum_names(Members);

struct ImportanceOptions {
  Importance importance = Importance::l1;
  Combine combine = Combine::mean;
  Members members = Members::producers;
  std::int64_t batches = 10;  // of training data, for those that need gradients
  std::int64_t batch = 64;
};

bool needs_data(Importance importance);

// One score for each unit, comparable within its group; larger matters more.
// errors: data, when gradients are needed and there is no training data.
std::vector<double> unit_scores(const Model& model, const ChannelGroups& groups, const ImportanceOptions& options,
                                PassContext& context, std::uint64_t seed);

}  // namespace dsc::prune
