// Types and arguments as torch.export's schema writes them.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>

#include "dscompress/graph.h"

namespace dsc::pt2 {

// `expressions` collects the symbolic expressions that were written.
nlohmann::json dim_json(const Dim& dim, std::set<std::string>& expressions);
nlohmann::json tensor_json(const TensorType& type, std::set<std::string>& expressions);
nlohmann::json symbol_json(const SymbolType& type, std::set<std::string>& expressions);

// {"as_tensor": {"name": ...}}, {"as_ints": [...]}, ...; `name_of` gives a value's name in the archive.
using NameOf = std::function<std::string(const Value*)>;
nlohmann::json argument_json(const Argument& argument, const NameOf& name_of);
nlohmann::json reference_json(const Value* value, const NameOf& name_of);

}  // namespace dsc::pt2
