#include "deploy/sequence_symbol.h"

#include <cctype>
#include <functional>

#include "ir/dim_expression.h"

namespace dsc {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// Words of an expression, each replaced by what `replace` makes of it.
std::string map_words(const std::string& expression, const std::function<std::string(const std::string&)>& replace) {
  std::string result;
  for (std::size_t i = 0; i < expression.size();) {
    std::size_t end = i;
    while (end < expression.size() && is_word(expression[end])) ++end;
    if (end == i) result += expression[i++];
    else result += replace(expression.substr(i, end - i));
    i = std::max(i, end);
  }
  return result;
}

}  // namespace

SequenceSymbol::SequenceSymbol(const Dim& of) : dim_(of), name_(symbol_of(of.expression)) {}

bool SequenceSymbol::is(const Dim& dim) const { return !dim.is_fixed() && symbol_of(dim.expression) == name_; }

bool SequenceSymbol::is_in(const Dim& dim) const { return names_symbol(dim.expression, name_); }

bool SequenceSymbol::is_multiple(const Dim& dim) const {
  SymbolValues symbols;
  const auto value_at = [&](std::int64_t length) {
    map_words(dim.expression, [&](const std::string& word) {
      symbols[word] = word == name_ ? length : 3;
      return word;
    });
    return evaluate_dim(dim.expression, symbols);
  };
  const auto one = value_at(8), two = value_at(16);
  return one && two && *one > 0 && *two == 2 * *one;
}

Dim SequenceSymbol::with(const Dim& dim, const Dim& other) const {
  const std::string name = symbol_of(other.expression);
  return {dim.size, map_words(dim.expression, [&](const std::string& word) { return word == name_ ? name : word; })};
}

std::vector<std::int64_t> SequenceSymbol::axes(const TensorType& type) const {
  std::vector<std::int64_t> found;
  for (std::int64_t i = 0; i < type.rank(); ++i) {
    if (is_in(type.sizes[static_cast<std::size_t>(i)])) found.push_back(i);
  }
  return found;
}

TensorType SequenceSymbol::with(const TensorType& type, const Dim& other) const {
  TensorType changed = type;
  for (Dim& dim : changed.sizes) dim = with(dim, other);
  changed.strides.clear();
  return changed;
}

Dim symbol_like(const Dim& like, const std::string& name) { return SequenceSymbol(like).with(like, {like.size, name}); }

}  // namespace dsc
