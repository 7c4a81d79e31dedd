// Types and arguments from torch.export's schema.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dscompress/graph.h"

namespace dsc::pt2 {

// The only member of a union such as {"as_int": 3}. errors: nlohmann's type_error when there is not exactly one.
std::pair<std::string, const nlohmann::json&> only_member(const nlohmann::json& object);

// `odd` collects what a TensorType cannot hold: "is sparse".
TensorType read_tensor(const nlohmann::json& meta, std::vector<std::string>& odd);
SymbolType read_symbol(ScalarKind kind, const nlohmann::json& value);

// None: a kind of argument that Graph cannot hold. `value_named` finds a value of the scope, or throws.
using ValueNamed = std::function<Value*(const std::string& name)>;
std::optional<Argument> read_argument(const nlohmann::json& argument, const ValueNamed& value_named);

}  // namespace dsc::pt2
