// Rows of a tensor in memory as another element type.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace dsc {

// Whether columns of this element type can be read at all: bool, integers, floating-point numbers.
bool is_readable(at::ScalarType type);

// A new tensor of these rows, each value as `type`: integers widened or narrowed, real numbers rounded. Plain loops: no
// threads of LibTorch's inside a loader's. precondition: contiguous, both types readable, values fit (find_misfit).
at::Tensor gather_rows(const at::Tensor& column, std::span<const std::int64_t> rows, at::ScalarType type);

// All rows.
at::Tensor as_type(const at::Tensor& column, at::ScalarType type);

struct Misfit {
  std::int64_t row = 0;
  std::string value;  // "300"
};
// The first of these rows with a value that `type` cannot hold: a whole number beyond its range or its precision, a fraction
// or NaN where it holds whole numbers, a real number that would become infinite. Rounding alone is none.
std::optional<Misfit> find_misfit(const at::Tensor& column, std::span<const std::int64_t> rows, at::ScalarType type);

}  // namespace dsc
