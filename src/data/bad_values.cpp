#include "data/bad_values.h"

#include <ATen/ops/argmax.h>
#include <ATen/ops/isinf.h>
#include <ATen/ops/isnan.h>

namespace dsc {
namespace {

// The batch's first row with a marked value; none: there is none.
std::optional<std::int64_t> first_row(const at::Tensor& marked) {
  if (!marked.any().item<bool>()) return std::nullopt;
  return marked.reshape({marked.size(0), -1}).any(1).to(at::kLong).argmax().item<std::int64_t>();
}

std::string name_of(const DatasetInfo& info, std::size_t i) {
  return i < info.input_names.size() ? "column `" + info.input_names[i] + "`" : "input " + std::to_string(i);
}

std::string example_text(const Batch& batch, std::int64_t row) {
  const auto place = static_cast<std::size_t>(row);
  return "example " + std::to_string(batch.indices.empty() ? row : batch.indices[place % batch.indices.size()]);
}

std::optional<Problem> find_in(const at::Tensor& values, const at::Tensor& marked, const Batch& batch, const std::string& name) {
  const auto row = first_row(marked);
  if (!row) return std::nullopt;
  const bool nan = at::isnan(values[*row]).any().item<bool>();
  return Problem{example_text(batch, *row) + " has " + (nan ? "NaN" : "an infinite value") + " in " + name, {}, "mend or remove such examples in the data"};
}

bool has_rows(const at::Tensor& values) { return values.defined() && values.is_floating_point() && values.dim() > 0 && values.numel() > 0; }

}  // namespace

std::optional<Problem> find_bad_input(const Batch& batch, const DatasetInfo& info) {
  for (std::size_t i = 0; i < batch.inputs.size(); ++i) {
    const at::Tensor& values = batch.inputs[i];
    if (!has_rows(values)) continue;
    if (auto problem = find_in(values, at::isnan(values).logical_or(values.isposinf()), batch, name_of(info, i))) return problem;
  }
  if (!has_rows(batch.target)) return std::nullopt;
  return find_in(batch.target, at::isnan(batch.target).logical_or(at::isinf(batch.target)), batch, "its label");
}

std::string mask_hint(const Batch& batch, const DatasetInfo& info) {
  for (std::size_t i = 0; i < batch.inputs.size(); ++i) {
    const at::Tensor& values = batch.inputs[i];
    if (has_rows(values) && values.isneginf().any().item<bool>()) return "; " + name_of(info, i) + " holds -inf: a row that hides everything gives NaN";
    if (values.defined() && values.scalar_type() == at::kBool) return "; if " + name_of(info, i) + " is a mask: a row that hides everything gives NaN";
  }
  return {};
}

}  // namespace dsc
