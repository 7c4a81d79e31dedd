// Reading operator arguments with the schema's defaults, as the analyses need them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/graph.h"

namespace dsc {

// The argument's value, or `otherwise` when it is absent, None or symbolic.
std::int64_t int_or(const Node& node, std::string_view name, std::int64_t otherwise);
bool bool_or(const Node& node, std::string_view name, bool otherwise);
// A number, which exporters write whole where they can: 1 for 1.0. None when it is absent, None or symbolic.
std::optional<double> number_of(const Argument& argument);
std::optional<double> number_of(const Node& node, std::string_view name);
std::string text_or(const Node& node, std::string_view name, std::string_view otherwise);
// A list of integers; one integer counts as a list of one. Entries that are symbolic become -1.
std::vector<std::int64_t> ints_or(const Node& node, std::string_view name, std::vector<std::int64_t> otherwise);
// The entries as written; empty when absent. One integer or symbol counts as a list of one.
IntList int_list(const Node& node, std::string_view name);
bool is_given(const Node& node, std::string_view name);  // present and not None
// -1 means the last dimension.
std::int64_t normal_dim(std::int64_t dim, std::int64_t rank);
std::int64_t dim_or(const Node& node, std::string_view name, std::int64_t otherwise, std::int64_t rank);
std::vector<std::int64_t> dims_or(const Node& node, std::string_view name, std::vector<std::int64_t> otherwise, std::int64_t rank);
// The value at a use by a node: the argument, or an element of its list.
Value* value_of(const Use& use);
// All tensors among the arguments, in order.
std::vector<Value*> tensor_arguments(const Node& node);
// The first of them, `self` of most operators.
const Value* self_of(const Node& node);
// The operator without overload and without the underscore of its in-place form.
std::string_view plain_op(const Node& node);
// How messages and selectors name a node: "layer1.0.conv1", or its own name outside modules.
std::string place_of(const Node& node);

}  // namespace dsc
