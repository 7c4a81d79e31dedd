#include "exec/check_inputs.h"

#include <map>
#include <string>
#include <string_view>

#include "dscompress/error.h"
#include "exec/convert.h"
#include "ir/describe.h"
#include "ir/dim_expression.h"

namespace dsc {
namespace {

std::string describe_type(const at::Tensor& tensor) { return std::string(to_string(from_c10(tensor.scalar_type()))) + describe_sizes(tensor); }

class Checker {
 public:
  void check(const GraphInput& input, const at::Tensor& tensor) {
    input_ = &input;
    if (!tensor.defined()) fail("an undefined tensor", "");
    if (!input.value->is_tensor()) {
      if (tensor.numel() != 1) fail(describe_type(tensor), "a single number is expected");
      return;
    }
    const TensorType& type = input.value->tensor();
    const std::string expected = "expected " + describe_type(type);
    if (tensor.scalar_type() != to_c10(type.dtype)) fail(describe_type(tensor), expected);
    if (tensor.dim() != type.rank()) fail(describe_type(tensor), expected);
    for (std::int64_t i = 0; i < tensor.dim(); ++i) check_size(type.sizes[static_cast<std::size_t>(i)], tensor, i, expected);
  }

 private:
  void check_size(const Dim& dim, const at::Tensor& tensor, std::int64_t i, const std::string& expected) {
    const std::int64_t size = tensor.size(i);
    if (dim.is_fixed()) {
      if (size == dim.size) return;
      fail(describe_type(tensor), expected,
           "dimension " + std::to_string(i) + " was fixed when the model was exported; " +
               "export it with a dynamic one, or give examples of that size");
    }
    const std::string symbol = symbol_of(dim.expression);
    if (symbol.empty()) return;
    const auto [first, added] = symbols_.emplace(symbol, std::pair(size, input_));
    if (added || first->second.first == size) return;
    fail(describe_type(tensor),
         expected + ", where " + symbol + " is " + std::to_string(first->second.first) + " already by input `" + first->second.second->target + "`");
  }

  [[noreturn]] void fail(const std::string& found, const std::string& expected, const std::string& hint = {}) const {
    throw Error(ErrorCode::data, "input `" + input_->target + "` is " + found + (expected.empty() ? "" : "; " + expected),
                {}, hint);
  }

  const GraphInput* input_ = nullptr;
  std::map<std::string, std::pair<std::int64_t, const GraphInput*>, std::less<>> symbols_;
};

}  // namespace

void check_inputs(const Graph& graph, const std::vector<at::Tensor>& inputs) {
  Checker checker;
  std::size_t count = 0;
  std::string names;
  for (const GraphInput& input : graph.inputs()) {
    if (input.kind != InputKind::user || !input.value) continue;
    names += (names.empty() ? "" : ", ") + input.target;
    if (count < inputs.size()) checker.check(input, inputs[count]);
    ++count;
  }
  if (count == inputs.size()) return;
  throw Error(ErrorCode::data, std::to_string(inputs.size()) + " inputs given; the model takes " + std::to_string(count) +
                                   " (" + names + ")");
}

}  // namespace dsc
