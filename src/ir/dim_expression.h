// Symbolic sizes: reading, evaluating and writing them, in the exporter's form (`Mul(Integer(49), Symbol('s77', ...))`)
// and in the short one (`49*s77`).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dsc {

using SymbolValues = std::map<std::string, std::int64_t, std::less<>>;

// "s77" for "s77" and "Symbol('s77', positive=True, integer=True)"; empty when it is not one symbol.
std::string symbol_of(std::string_view expression);
// Whether the symbol, or an expression such as "s77*s27", stands in the other as whole words.
bool names_symbol(std::string_view expression, std::string_view symbol);
// None when a symbol has no value, or a function is not understood.
std::optional<std::int64_t> evaluate_dim(std::string_view expression, const SymbolValues& symbols);
// factor * product of symbols + offset, in the form of the symbols' own expressions.
std::string make_dim(std::int64_t factor, const std::vector<std::string>& symbol_expressions, std::int64_t offset);
// Sum of factor * symbol over `terms`, + offset.
std::string make_sum_dim(const std::vector<std::pair<std::int64_t, std::string>>& terms, std::int64_t offset);
// (factor * symbol + offset) // divisor.
std::string make_floor_dim(std::int64_t factor, const std::string& symbol_expression, std::int64_t offset, std::int64_t divisor);

}  // namespace dsc
