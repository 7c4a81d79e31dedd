#include "ir/describe.h"

#include <sstream>

#include "ir/dim_expression.h"

namespace dsc {

std::string describe_dim(const Dim& dim) {
  if (dim.is_fixed()) return std::to_string(dim.size);
  const std::string symbol = symbol_of(dim.expression);
  if (!symbol.empty()) return symbol;
  return dim.size >= 0 ? "?" + std::to_string(dim.size) : "?";
}

std::string describe_type(const Type& type) {
  const auto* tensor = std::get_if<TensorType>(&type);
  if (!tensor) return "symbol";
  std::string text = std::string(to_string(tensor->dtype)) + "[";
  for (std::size_t i = 0; i < tensor->sizes.size(); ++i) text += (i ? ", " : "") + describe_dim(tensor->sizes[i]);
  return text + "]";
}

std::string describe_sizes(const at::Tensor& tensor) {
  std::ostringstream text;
  text << tensor.sizes();
  return text.str();
}

std::string describe_sizes(const std::vector<Dim>& sizes) {
  std::string text = "[";
  for (const Dim& dim : sizes) text += (text.size() > 1 ? ", " : "") + (dim.is_fixed() ? std::to_string(dim.size) : dim.expression);
  return text + "]";
}

}  // namespace dsc
