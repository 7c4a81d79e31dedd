// Numbers and names of torch.export's serialisation schema 8 (torch/_export/serde/schema.py).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "dscompress/graph.h"

namespace dsc::pt2 {

inline constexpr std::int64_t kSchemaMajor = 8;
inline constexpr std::string_view kModelPrefix = "models/";
inline constexpr std::string_view kWeightsFolder = "data/weights/";
inline constexpr std::string_view kConstantsFolder = "data/constants/";
inline constexpr std::string_view kExtraFolder = "extra/";
inline constexpr std::string_view kAutocast = "torch.ops.higher_order.wrap_with_autocast";
inline constexpr std::string_view kCond = "torch.ops.higher_order.cond";
inline constexpr std::string_view kSetGrad = "torch.ops.higher_order.wrap_with_set_grad_enabled";

// The schema has its own numbers for element types, layouts and memory formats; none: not one that a Graph knows.
std::optional<ScalarType> scalar_type(std::int64_t number);
std::int64_t number_of(ScalarType type);
std::optional<MemoryFormat> memory_format(std::int64_t number);
std::int64_t number_of(MemoryFormat format);
inline constexpr std::int64_t kStrided = 7;

at::ScalarType to_aten(ScalarType type);
std::optional<ScalarType> from_aten(at::ScalarType type);  // none: quantised and sub-byte types

// "torch.ops.aten.relu.default" <-> "aten.relu.default"; Python built-ins ("_operator.mul", "torch.sym_max") stay.
std::string_view short_target(std::string_view serialized);
std::string full_target(std::string_view target);

}  // namespace dsc::pt2
