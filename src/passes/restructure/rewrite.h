// Building blocks of passes that replace operators.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/model.h"
#include "dscompress/pass.h"
#include "ops/cost.h"

namespace dsc::restructure {

// Whether a place is wanted: among `only` (empty: all) and not among `skip`.
bool is_selected(const std::string& place, const std::vector<std::string>& only, const std::vector<std::string>& skip);

// A problem for each pattern that matches none of the places.
std::vector<Problem> check_patterns(const std::vector<std::string>& patterns, const std::string& option, const std::vector<std::string>& places);

// What a pass made of a model, for its report: how many of what, then the shares of multiply-accumulates and parameters that went.
std::vector<Statistic> statistics_of(const std::string& what, std::size_t count, const Cost& before, const Cost& after);

// Types of all values, from runs on small inputs.
void refresh(Model& model);

}  // namespace dsc::restructure
