// Operators that OpenVINO's PyTorch frontend lacks, out of those that it has.
#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "deploy/torch_program_builder.h"
#include "ops/arguments.h"

namespace dsc {
namespace {

using Builder = TorchProgramBuilder;

// Writes one operator's composition: calls with literals in place.
class Composer {
 public:
  Composer(Builder& builder, const Node& node) : builder_(builder), node_(node) {}

  ValueId tensor(std::size_t position, std::string_view name) { return builder_.id_of(get_value(node_, position, name)); }
  // The argument, or `otherwise` where the exporter left it out.
  ValueId given(std::string_view name, TorchConstant otherwise) {
    const Argument* found = node_.find_argument(name);
    return found ? builder_.argument(*found) : builder_.constant(std::move(otherwise));
  }
  ValueId literal(TorchConstant value) { return builder_.constant(std::move(value)); }
  ValueId none() { return builder_.constant(std::monostate{}); }
  ValueId call(const std::string& op, std::vector<ValueId> inputs) { return builder_.call_like("aten::" + op, std::move(inputs), node_.output()); }
  void result(const std::string& op, std::vector<ValueId> inputs) { builder_.call("aten::" + op, std::move(inputs), node_.output()); }

 private:
  Builder& builder_;
  const Node& node_;
};

// self + value * tensor1 / tensor2
void addcdiv(Builder& builder, const Node& node) {
  Composer c(builder, node);
  const ValueId quotient = c.call("div", {c.tensor(1, "tensor1"), c.tensor(2, "tensor2")});
  c.result("add", {c.tensor(0, "self"), c.call("mul", {quotient, c.given("value", 1.0)})});
}

// x > threshold ? x : value
void threshold(Builder& builder, const Node& node) {
  Composer c(builder, node);
  const ValueId x = c.tensor(0, "self");
  c.result("where", {c.call("gt", {x, c.given("threshold", 0.0)}), x, c.given("value", 0.0)});
}

void hardshrink(Builder& builder, const Node& node) {
  Composer c(builder, node);
  const ValueId x = c.tensor(0, "self");
  c.result("where", {c.call("gt", {c.call("abs", {x}), c.given("lambd", 0.5)}), x, c.literal(0.0)});
}

void softshrink(Builder& builder, const Node& node) {
  Composer c(builder, node);
  const ValueId x = c.tensor(0, "self");
  c.result("mul", {c.call("sign", {x}), c.call("relu", {c.call("sub", {c.call("abs", {x}), c.given("lambd", 0.5)})})});
}

void trunc(Builder& builder, const Node& node) {
  Composer c(builder, node);
  const ValueId x = c.tensor(0, "self");
  c.result("mul", {c.call("sign", {x}), c.call("floor", {c.call("abs", {x})})});
}

void frac(Builder& builder, const Node& node) {
  Composer c(builder, node);
  const ValueId x = c.tensor(0, "self");
  c.result("sub", {x, c.call("mul", {c.call("sign", {x}), c.call("floor", {c.call("abs", {x})})})});
}

void exp2(Builder& builder, const Node& node) {
  Composer c(builder, node);
  c.result("pow", {c.literal(2.0), c.tensor(0, "self")});
}

void transpose_matrix(Builder& builder, const Node& node) {
  builder.view("aten::transpose", {builder.id_of(get_value(node, 0, "self")), builder.constant(std::int64_t{-2}), builder.constant(std::int64_t{-1})},
               node.output());
}

// The frontend takes no dimension counted from the end.
void unfold(Builder& builder, const Node& node) {
  const Value* self = get_value(node, 0, "self");
  const std::int64_t dim = normal_dim(get_integer(node, 1, "dimension"), self->tensor().rank());
  builder.view("aten::unfold", {builder.id_of(self), builder.constant(dim), builder.argument(get_argument(node, 2, "size")),
                                builder.argument(get_argument(node, 3, "step"))}, node.output());
}

// f32[0] joins with anything: what caches of keys and values start as.
bool is_empty_list(const Value* part) {
  return part && part->is_tensor() && part->tensor().rank() == 1 && part->tensor().sizes[0].is_fixed() && part->tensor().sizes[0].size == 0;
}

void cat(Builder& builder, const Node& node) {
  ValueList parts = std::get<ValueList>(get_argument(node, 0, "tensors"));
  std::erase_if(parts, is_empty_list);
  Composer c(builder, node);
  c.result("cat", {builder.argument(Argument(std::move(parts))), c.given("dim", std::int64_t{0})});
}

// n times: each element less the one before it.
void diff(Builder& builder, const Node& node) {
  Composer c(builder, node);
  ValueList parts;
  for (const char* name : {"prepend", "self", "append"}) {
    if (Value* part = node.find_value(name)) parts.push_back(part);
  }
  const ValueId dim = c.given("dim", std::int64_t{-1});
  ValueId x = parts.size() == 1 ? c.tensor(0, "self") : c.call("cat", {builder.argument(Argument(std::move(parts))), dim});
  const std::int64_t times = node.find_argument("n") ? get_integer(node, 1, "n") : 1;
  const std::string minus = node.output()->tensor().dtype == ScalarType::boolean ? "ne" : "sub";
  for (std::int64_t i = 0; i < times; ++i) {
    const ValueId later = c.call("slice", {x, dim, c.literal(std::int64_t{1}), c.none(), c.literal(std::int64_t{1})});
    const ValueId earlier = c.call("slice", {x, dim, c.literal(std::int64_t{0}), c.literal(std::int64_t{-1}), c.literal(std::int64_t{1})});
    x = c.call(minus, {later, earlier});
  }
  builder.bind(node.output(), x);
}

void count_nonzero(Builder& builder, const Node& node) {
  Composer c(builder, node);
  const ValueId is_there = c.call("ne", {c.tensor(0, "self"), c.literal(0.0)});
  c.result("sum", {is_there, c.given("dim", std::monostate{}), c.literal(false), c.none()});
}

// Of a number: no coordinates, once or never. The frontend knows arrays only.
void nonzero(Builder& builder, const Node& node) {
  Composer c(builder, node);
  const ValueId x = c.call("reshape", {c.tensor(0, "self"), c.literal(std::vector<std::int64_t>{1})});
  c.result("slice", {c.call("nonzero", {x}), c.literal(std::int64_t{1}), c.literal(std::int64_t{0}), c.literal(std::int64_t{0}), c.literal(std::int64_t{1})});
}

void is_in(Builder& builder, const Node& node) {
  Composer c(builder, node);
  const ValueId column = c.call("unsqueeze", {c.tensor(0, "elements"), c.literal(std::int64_t{-1})});
  const ValueId row = c.call("reshape", {c.tensor(1, "test_elements"), c.literal(std::vector<std::int64_t>{-1})});
  const ValueId found = c.call("eq", {column, row});
  const Argument* invert = node.find_argument("invert");
  if (!invert || !std::get<bool>(*invert)) return c.result("any", {found, c.literal(std::int64_t{-1}), c.literal(false)});
  c.result("logical_not", {c.call("any", {found, c.literal(std::int64_t{-1}), c.literal(false)})});
}

// NaN and infinities become numbers; those that the exporter leaves out are 0 and the largest of the type.
void nan_to_num(Builder& builder, const Node& node) {
  Composer c(builder, node);
  const double infinity = std::numeric_limits<double>::infinity(), largest = std::numeric_limits<float>::max();
  const auto replacement = [&](std::string_view name, double otherwise) {
    const Argument* found = node.find_argument(name);
    return !found || std::holds_alternative<NoneArgument>(*found) ? c.literal(otherwise) : builder.argument(*found);
  };
  ValueId x = c.tensor(0, "self");
  x = c.call("where", {c.call("eq", {x, c.literal(infinity)}), replacement("posinf", largest), x});
  x = c.call("where", {c.call("eq", {x, c.literal(-infinity)}), replacement("neginf", -largest), x});
  c.result("where", {c.call("isnan", {x}), replacement("nan", 0.0), x});
}

// sum(x1 * x2) / (max(|x1|, eps) * max(|x2|, eps))
void cosine_similarity(Builder& builder, const Node& node) {
  Composer c(builder, node);
  const Argument* dim = node.find_argument("dim");
  const std::vector<std::int64_t> axis{dim ? std::get<std::int64_t>(*dim) : 1};
  const auto length = [&](ValueId x) {
    return c.call("clamp_min", {c.call("linalg_vector_norm", {x, c.literal(2.0), c.literal(axis), c.literal(false), c.none()}), c.given("eps", 1e-8)});
  };
  const ValueId a = c.tensor(0, "x1"), b = c.tensor(1, "x2");
  const ValueId product = c.call("sum", {c.call("mul", {a, b}), c.literal(axis), c.literal(false), c.none()});
  c.result("div", {product, c.call("mul", {length(a), length(b)})});
}

// Statistics, the other results, are for the backward pass.
void native_layer_norm(Builder& builder, const Node& node) {
  Composer c(builder, node);
  c.result("layer_norm", {c.tensor(0, "input"), c.given("normalized_shape", std::monostate{}), c.given("weight", std::monostate{}),
                          c.given("bias", std::monostate{}), c.given("eps", 1e-5), c.literal(false)});
}

void native_group_norm(Builder& builder, const Node& node) {
  Composer c(builder, node);
  c.result("group_norm", {c.tensor(0, "input"), c.given("group", std::int64_t{1}), c.given("weight", std::monostate{}),
                          c.given("bias", std::monostate{}), c.given("eps", 1e-5), c.literal(false)});
}

void select_scatter(Builder& builder, const Node& node) {
  Composer c(builder, node);
  builder.write_part(c.tensor(0, "self"), "aten::select", {c.given("dim", std::int64_t{0}), c.given("index", std::int64_t{0})},
                     c.tensor(1, "src"), node.output());
}

void slice_scatter(Builder& builder, const Node& node) {
  Composer c(builder, node);
  builder.write_part(c.tensor(0, "self"), "aten::slice",
                     {c.given("dim", std::int64_t{0}), c.given("start", std::monostate{}), c.given("end", std::monostate{}),
                      c.given("step", std::int64_t{1})}, c.tensor(1, "src"), node.output());
}

std::int64_t fixed_size(const Value* value, std::size_t dim) {
  const Dim& size = value->tensor().sizes.at(dim);
  return size.is_fixed() ? size.size : -1;
}

// A convolution with as many groups as the batch has examples, each with its own kernels: x [1, G*c, H, W], weight
// [G*o, c, kh, kw]. OpenVINO's convolutions want a fixed number of groups, so that it becomes windows times kernels.
void convolution_of_each_example(Builder& builder, const Node& node) {
  Composer c(builder, node);
  const Value* input = get_value(node, 0, "input");
  const Value* weight = get_value(node, 1, "weight");
  const std::int64_t channels = fixed_size(weight, 1), height = fixed_size(weight, 2), width = fixed_size(weight, 3);
  const std::int64_t groups = input->tensor().sizes.at(1).size / channels, outputs = weight->tensor().sizes.at(0).size / groups;
  const std::vector<std::int64_t> result{1, -1, fixed_size(node.output(), 2), fixed_size(node.output(), 3)};
  const ValueId examples = c.call("reshape", {c.tensor(0, "input"), c.literal(std::vector<std::int64_t>{-1, channels, fixed_size(input, 2), fixed_size(input, 3)})});
  const ValueId windows = c.call("im2col", {examples, c.literal(std::vector<std::int64_t>{height, width}), c.given("dilation", std::vector<std::int64_t>{1, 1}),
                                            c.given("padding", std::vector<std::int64_t>{0, 0}), c.given("stride", std::vector<std::int64_t>{1, 1})});
  const ValueId kernels = c.call("reshape", {c.tensor(1, "weight"), c.literal(std::vector<std::int64_t>{-1, outputs, channels * height * width})});
  ValueId product = c.call("bmm", {kernels, windows});
  if (node.find_value("bias")) product = c.call("add", {product, c.call("reshape", {c.tensor(2, "bias"), c.literal(std::vector<std::int64_t>{-1, outputs, 1})})});
  c.result("reshape", {product, c.literal(result)});
}

}  // namespace

TorchRule convolution_rule(const Node& node) {
  const Argument* groups = node.op() == "aten.conv2d" ? node.find_argument("groups") : nullptr;
  if (!groups || !std::holds_alternative<Value*>(*groups)) return nullptr;
  const Value* input = get_value(node, 0, "input");
  const Argument* padding = node.find_argument("padding");
  const bool is_fixed = fixed_size(input, 2) >= 0 && fixed_size(input, 3) >= 0 && !(padding && std::holds_alternative<std::string>(*padding));
  return is_fixed ? convolution_of_each_example : nullptr;
}

TorchRule cat_rule(const Node& node) {
  const Argument* parts = node.op() == "aten.cat" ? node.find_argument("tensors") : nullptr;
  const auto* list = parts ? std::get_if<ValueList>(parts) : nullptr;
  const bool skips = list && std::any_of(list->begin(), list->end(), is_empty_list) && !std::all_of(list->begin(), list->end(), is_empty_list);
  return skips ? cat : nullptr;
}

TorchRule nonzero_rule(const Node& node) {
  const bool is_number = node.op() == "aten.nonzero" && get_value(node, 0, "self")->tensor().rank() == 0;
  return is_number ? nonzero : nullptr;
}

const TorchRules& composition_rules() {
  static const TorchRules table = {
      {"aten.addcdiv", addcdiv},
      {"aten.threshold", threshold},
      {"aten.hardshrink", hardshrink},
      {"aten.softshrink", softshrink},
      {"aten.trunc", trunc},
      {"aten.fix", trunc},
      {"aten.frac", frac},
      {"aten.exp2", exp2},
      {"aten.mT", transpose_matrix},
      {"aten.adjoint", transpose_matrix},
      {"aten.unfold", unfold},
      {"aten.diff", diff},
      {"aten.count_nonzero", count_nonzero},
      {"aten.isin", is_in},
      {"aten.nan_to_num", nan_to_num},
      {"aten.cosine_similarity", cosine_similarity},
      {"aten.native_layer_norm", native_layer_norm},
      {"aten.native_group_norm", native_group_norm},
      {"aten.select_scatter", select_scatter},
      {"aten.slice_scatter", slice_scatter},
  };
  return table;
}

}  // namespace dsc
