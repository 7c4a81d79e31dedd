#include <algorithm>

#include "cli/session.h"

namespace dsc {
namespace {

std::string describe_dim(const Dim& dim) {
  if (dim.is_fixed()) return std::to_string(dim.size);
  // "Symbol('s77', positive=True, integer=True)" reads as s77; longer expressions stay as they are.
  const auto& text = dim.expression;
  const auto open = text.find("Symbol('");
  if (open == 0 && text.find("Symbol('", 1) == std::string::npos) return text.substr(8, text.find('\'', 8) - 8);
  return dim.size >= 0 ? "?" + std::to_string(dim.size) : "?";
}

}  // namespace

std::string describe_type(const Type& type) {
  const auto* tensor = std::get_if<TensorType>(&type);
  if (!tensor) return "symbol";
  std::string text(to_string(tensor->dtype));
  text += '[';
  for (std::size_t i = 0; i < tensor->sizes.size(); ++i) text += (i ? ", " : "") + describe_dim(tensor->sizes[i]);
  return text + ']';
}

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    text += line + "\n";
  }
  return text;
}

}  // namespace dsc
