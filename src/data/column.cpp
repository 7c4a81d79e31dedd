#include "data/column.h"

#include <ATen/ops/empty.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/printed.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

constexpr std::int64_t kBlock = 2048;                           // values converted at a time
constexpr std::int64_t kExactInDouble = std::int64_t{1} << 53;  // whole numbers up to here

// Calls body with a value of the C++ type; false for types that are not readable.
template <class Body>
bool with_type(at::ScalarType type, Body body) {
  switch (type) {
    case at::kBool: body(bool{}); return true;
    case at::kByte: body(std::uint8_t{}); return true;
    case at::kChar: body(std::int8_t{}); return true;
    case at::kShort: body(std::int16_t{}); return true;
    case at::kUInt16: body(std::uint16_t{}); return true;
    case at::kInt: body(std::int32_t{}); return true;
    case at::kUInt32: body(std::uint32_t{}); return true;
    case at::kLong: body(std::int64_t{}); return true;
    case at::kUInt64: body(std::uint64_t{}); return true;
    case at::kHalf: body(c10::Half{}); return true;
    case at::kBFloat16: body(c10::BFloat16{}); return true;
    case at::kFloat: body(float{}); return true;
    case at::kDouble: body(double{}); return true;
    default: return false;
  }
}

template <class Number>
using Block = std::array<Number, kBlock>;

// Integers pass through Number = int64, real numbers through double.
template <class Number>
void read_block(const at::Tensor& column, std::int64_t offset, std::int64_t count, Block<Number>& block) {
  with_type(column.scalar_type(), [&]<class From>(From) {
    const From* from = static_cast<const From*>(column.const_data_ptr()) + offset;
    for (std::int64_t i = 0; i < count; ++i) block[static_cast<std::size_t>(i)] = static_cast<Number>(from[i]);
  });
}

template <class Number>
void write_block(const Block<Number>& block, std::int64_t count, at::Tensor& out, std::int64_t offset) {
  with_type(out.scalar_type(), [&]<class To>(To) {
    To* to = static_cast<To*>(out.mutable_data_ptr()) + offset;
    for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<To>(block[static_cast<std::size_t>(i)]);
  });
}

std::int64_t width_of(const at::Tensor& column) { return column.size(0) > 0 ? column.numel() / column.size(0) : 0; }

template <class Number>
void convert_rows(const at::Tensor& column, std::span<const std::int64_t> rows, at::Tensor& out) {
  const std::int64_t width = width_of(column);
  Block<Number> block;
  std::int64_t written = 0;
  for (const std::int64_t row : rows) {
    for (std::int64_t begin = 0; begin < width; begin += kBlock) {
      const std::int64_t count = std::min(kBlock, width - begin);
      read_block(column, row * width + begin, count, block);
      write_block(block, count, out, written);
      written += count;
    }
  }
}

void copy_rows(const at::Tensor& column, std::span<const std::int64_t> rows, at::Tensor& out) {
  const auto bytes = static_cast<std::size_t>(width_of(column)) * column.element_size();
  const auto* from = static_cast<const char*>(column.const_data_ptr());
  auto* to = static_cast<char*>(out.mutable_data_ptr());
  for (const std::int64_t row : rows) {
    std::memcpy(to, from + static_cast<std::size_t>(row) * bytes, bytes);
    to += bytes;
  }
}

template <class To, class Number>
bool fits(Number value) {
  if constexpr (std::is_same_v<To, bool>) {
    return value == 0 || value == 1;
  } else if constexpr (std::is_integral_v<To> && std::is_integral_v<Number>) {
    return std::in_range<To>(value);
  } else if constexpr (std::is_integral_v<To>) {
    return value == std::trunc(value) && value >= static_cast<double>(std::numeric_limits<To>::min()) && value < std::ldexp(1.0, std::numeric_limits<To>::digits);
  } else if constexpr (std::is_integral_v<Number>) {
    return value >= -kExactInDouble && value <= kExactInDouble && static_cast<double>(static_cast<To>(static_cast<double>(value))) == static_cast<double>(value);
  } else {
    return !std::isfinite(value) || std::isfinite(static_cast<double>(static_cast<To>(value)));
  }
}

// Whether a type holds all values of another, so that none need be looked at.
bool holds_all(at::ScalarType type, at::ScalarType stored) {
  bool all = type == stored;
  with_type(stored, [&]<class From>(From) {
    with_type(type, [&]<class To>(To) {
      constexpr bool from_real = !std::is_integral_v<From>, to_real = !std::is_integral_v<To>;
      using FromLimits = std::numeric_limits<From>;
      using ToLimits = std::numeric_limits<To>;
      if constexpr (from_real && to_real) all = all || ToLimits::max_exponent >= FromLimits::max_exponent;
      else if constexpr (!from_real) all = all || (ToLimits::digits >= FromLimits::digits && (ToLimits::is_signed || !FromLimits::is_signed));
    });
  });
  return all;
}

template <class Number>
std::optional<Misfit> first_misfit(const at::Tensor& column, std::span<const std::int64_t> rows, at::ScalarType type) {
  const std::int64_t width = width_of(column);
  Block<Number> block;
  for (const std::int64_t row : rows) {
    for (std::int64_t begin = 0; begin < width; begin += kBlock) {
      const std::int64_t count = std::min(kBlock, width - begin);
      read_block(column, row * width + begin, count, block);
      const Number* bad = nullptr;
      with_type(type, [&]<class To>(To) {
        const Number* end = block.data() + count;
        const Number* found = std::find_if(static_cast<const Number*>(block.data()), end, [](Number value) { return !fits<To>(value); });
        if (found != end) bad = found;
      });
      if (!bad) continue;
      if constexpr (std::is_integral_v<Number>) return Misfit{row, std::to_string(*bad)};
      else return Misfit{row, printed("%g", *bad)};
    }
  }
  return std::nullopt;
}

}  // namespace

bool is_readable(at::ScalarType type) {
  return with_type(type, [](auto) {});
}

at::Tensor gather_rows(const at::Tensor& column, std::span<const std::int64_t> rows, at::ScalarType type) {
  std::vector<std::int64_t> sizes = column.sizes().vec();
  sizes[0] = static_cast<std::int64_t>(rows.size());
  at::Tensor out = at::empty(sizes, type);
  if (column.scalar_type() == type) copy_rows(column, rows, out);
  else if (c10::isFloatingType(column.scalar_type())) convert_rows<double>(column, rows, out);
  else convert_rows<std::int64_t>(column, rows, out);
  return out;
}

at::Tensor as_type(const at::Tensor& column, at::ScalarType type) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(column.size(0)));
  std::iota(rows.begin(), rows.end(), std::int64_t{0});
  return gather_rows(column, rows, type);
}

std::optional<Misfit> find_misfit(const at::Tensor& column, std::span<const std::int64_t> rows, at::ScalarType type) {
  if (holds_all(type, column.scalar_type())) return std::nullopt;
  // Seen as int64, a u64 beyond its range is negative.
  if (column.scalar_type() == at::kUInt64) {
    if (auto beyond = first_misfit<std::int64_t>(column, rows, at::kUInt64)) return Misfit{beyond->row, std::to_string(static_cast<std::uint64_t>(std::stoll(beyond->value)))};
  }
  if (c10::isFloatingType(column.scalar_type())) return first_misfit<double>(column, rows, type);
  return first_misfit<std::int64_t>(column, rows, type);
}

}  // namespace dsc
