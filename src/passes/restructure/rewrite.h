// Building blocks of passes that replace operators.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/model.h"
#include "dscompress/pass.h"

namespace dsc::restructure {

// Whether a place is wanted: among `only` (empty: all) and not among `skip`.
bool is_selected(const std::string& place, const std::vector<std::string>& only, const std::vector<std::string>& skip);

// A problem for each pattern that matches none of the places.
std::vector<Problem> check_patterns(const std::vector<std::string>& patterns, const std::string& option, const std::vector<std::string>& places);

// Types of all values, from runs on small inputs.
void refresh(Model& model);

}  // namespace dsc::restructure
