// Arithmetic in recipes: numbers, names, + - * / and parentheses. No functions, no code.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace dsc {

// errors: recipe, for anything that is not arithmetic, division by zero and results that are not finite.
double evaluate_expression(std::string_view text, const std::function<double(const std::string& name)>& value_of);

// "cut", "model.width": letters, digits and _ in parts joined by points, not starting with a digit.
bool is_variable_name(std::string_view text);

}  // namespace dsc
