// What an operator means for compression, in one place per operator: how it ties the channels of its operands, which of
// its literal arguments hold sizes, how many multiply-accumulates it does, what it does to values, and what of it is
// quantised. One source file per family.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "dscompress/graph.h"
#include "ops/op_traits.h"
#include "ops/quant_kind.h"
#include "ops/ties.h"

namespace dsc {

// Sizes after a removal, for the rules that fix literal arguments.
class Resizer {
 public:
  virtual ~Resizer() = default;
  virtual Graph& graph() = 0;
  virtual std::int64_t old_size(const Value* value, std::int64_t dim) const = 0;
  virtual std::int64_t new_size(const Value* value, std::int64_t dim) const = 0;
  // How many of the indices [begin, end) stay.
  virtual std::int64_t kept_between(const Value* value, std::int64_t dim, std::int64_t begin, std::int64_t end) const = 0;
  // New extent of the axis that the tie rule of `node` remembered as number `index`.
  virtual std::int64_t remembered(const Node& node, std::size_t index) const = 0;
  bool is_changed(const Value* value, std::int64_t dim) const { return new_size(value, dim) != old_size(value, dim); }
};

// The size of a value's dimension; batch dimensions count one.
using SizeOf = std::function<double(const Value* value, std::int64_t dim)>;

struct OpInfo {
  std::string_view op;  // "aten.conv2d"; covers its overloads and its in-place form
  // Must define the axes of every tensor output. Null: nothing is known about how they tie, so all stay.
  void (*tie)(Ties& ties, const Node& node) = nullptr;
  // Null: no argument holds a size.
  void (*resize)(Resizer& resizer, Node& node) = nullptr;
  // Null: none worth counting.
  double (*macs)(const Node& node, const SizeOf& size) = nullptr;
  OpTraits traits = {};
  // Null: no low-precision kernels.
  const QuantArguments* quant = nullptr;
  bool looks_up = false;  // its rule says what positions in an axis mean to it (Ties::look_up)
};

// Null: an operator that nothing is known about.
const OpInfo* find_op_info(const Node& node);

// Null: no low-precision kernels.
const QuantArguments* find_quant_arguments(const Node& node);

// The families.
std::span<const OpInfo> attention_ops();
std::span<const OpInfo> conv_ops();
std::span<const OpInfo> create_ops();
std::span<const OpInfo> elementwise_ops();
std::span<const OpInfo> index_ops();
std::span<const OpInfo> join_ops();
std::span<const OpInfo> linear_ops();
std::span<const OpInfo> norm_ops();
std::span<const OpInfo> pool_ops();
std::span<const OpInfo> recurrent_ops();
std::span<const OpInfo> reduce_ops();
std::span<const OpInfo> shape_ops();
std::span<const OpInfo> view_ops();

}  // namespace dsc
