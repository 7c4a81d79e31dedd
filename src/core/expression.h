// Arithmetic and conditions in recipes: numbers, names, + - * / and parentheses; == != < <= > >= && || ! and 'text'. No
// functions, no code.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace dsc {

// errors: recipe, for anything that is not arithmetic, division by zero and results that are not finite.
double evaluate_expression(std::string_view text, const std::function<double(const std::string& name)>& value_of);

using ExpressionValue = std::variant<double, std::string>;
// "vars.bits >= 4 || vars.kind == 'l1'". Both sides of && and || are evaluated. errors: recipe, for anything that is no
// condition, and for order or arithmetic of texts.
bool evaluate_condition(std::string_view text, const std::function<ExpressionValue(const std::string& name)>& value_of);

// "cut", "model.width": letters, digits and _ in parts joined by points, not starting with a digit.
bool is_variable_name(std::string_view text);

}  // namespace dsc
