// Operators that need more than their name and their schema's arguments.
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <string>

#include "deploy/torch_program_builder.h"
#include "exec/convert.h"
#include "ops/arguments.h"

namespace dsc {
namespace {

using Builder = TorchProgramBuilder;

void skip(Builder&, const Node&) {}

// The result is the input itself, also for in-place operators after it.
void identity(Builder& builder, const Node& node) { builder.bind(node.output(), builder.id_of(get_value(node, 0, "self"))); }
void identity_input(Builder& builder, const Node& node) { builder.bind(node.output(), builder.id_of(get_value(node, 0, "input"))); }

// Same meaning under another name, with the first `count` arguments.
struct Renamed {
  std::string_view op;
  std::size_t count;
};
const std::map<std::string_view, Renamed>& renamed_operators() {
  static const std::map<std::string_view, Renamed> table = {
      {"aten.sym_size", {"aten::size", 2}},
      {"aten.sym_numel", {"aten::numel", 1}},
      {"aten._unsafe_view", {"aten::view", 2}},
      {"aten._adaptive_avg_pool2d", {"aten::adaptive_avg_pool2d", 2}},
      {"aten._local_scalar_dense", {"aten::item", 1}},
      {"aten.vdot", {"aten::dot", 2}},
      {"aten.argwhere", {"aten::nonzero", 1}},
      {"_operator.add", {"aten::add", 2}},
      {"_operator.sub", {"aten::sub", 2}},
      {"_operator.mul", {"aten::mul", 2}},
      {"_operator.floordiv", {"aten::floordiv", 2}},
      {"_operator.truediv", {"aten::div", 2}},
      {"_operator.mod", {"aten::remainder", 2}},
      {"_operator.pow", {"aten::pow", 2}},
      {"_operator.neg", {"aten::neg", 1}},
      {"_operator.eq", {"aten::eq", 2}},
      {"_operator.ne", {"aten::ne", 2}},
      {"_operator.lt", {"aten::lt", 2}},
      {"_operator.le", {"aten::le", 2}},
      {"_operator.gt", {"aten::gt", 2}},
      {"_operator.ge", {"aten::ge", 2}},
      {"_operator.and_", {"aten::__and__", 2}},
      {"_operator.or_", {"aten::__or__", 2}},
      {"math.ceil", {"aten::ceil", 1}},
      {"math.floor", {"aten::floor", 1}},
      {"math.trunc", {"aten::Int", 1}},
      {"torch.sym_int", {"aten::Int", 1}},
      {"torch.sym_max", {"aten::maximum", 2}},
      {"torch.sym_min", {"aten::minimum", 2}},
      {"torch.sym_not", {"aten::__not__", 1}},
      {"torch.sym_ite", {"aten::where", 3}},
      {"torch._sym_sqrt", {"aten::sqrt", 1}},
      {"math.sqrt", {"aten::sqrt", 1}},
  };
  return table;
}

void rename(Builder& builder, const Node& node) {
  const auto found = renamed_operators().find(node.op());
  const Renamed& to = found != renamed_operators().end() ? found->second : renamed_operators().at(node.target());
  std::vector<ValueId> inputs;
  for (std::size_t i = 0; i < std::min(to.count, node.arguments().size()); ++i) {
    inputs.push_back(builder.argument(node.arguments()[i].value));
  }
  builder.call(std::string(to.op), std::move(inputs), node.output());
}

// A float made of a symbolic integer; the frontend has no aten::Float.
void sym_float(Builder& builder, const Node& node) {
  builder.call("aten::mul", {builder.argument(node.arguments().at(0).value), builder.constant(1.0)}, node.output());
}

// softmax(self, dim, dtype), from forms without dtype or with `half_to_float`.
void softmax(Builder& builder, const Node& node) {
  const std::string name = node.op() == "aten._log_softmax" ? "aten::log_softmax" : "aten::softmax";
  builder.call(name, {builder.id_of(get_value(node, 0, "self")), builder.argument(get_argument(node, 1, "dim")),
                      builder.constant(std::monostate{})}, node.output());
}

// _to_copy(self, dtype, ...) is to(self, dtype, non_blocking, copy, memory_format); without a dtype it is a clone.
void to_copy(Builder& builder, const Node& node) {
  const ValueId self = builder.id_of(get_value(node, 0, "self"));
  const Argument* dtype = node.find_argument("dtype");
  if (!dtype || std::holds_alternative<NoneArgument>(*dtype)) {
    builder.call("aten::clone", {self, builder.constant(std::monostate{})}, node.output());
    return;
  }
  builder.call("aten::to", {self, builder.argument(*dtype), builder.constant(false), builder.constant(true),
                            builder.constant(std::monostate{})}, node.output());
}

// split, chunk and tensor_split into parts whose sizes are fixed: split_with_sizes, which needs no size arithmetic.
std::optional<std::vector<std::int64_t>> fixed_parts(const Node& node, std::int64_t dim) {
  std::vector<std::int64_t> sizes;
  for (const Value* output : node.outputs()) {
    const auto& type = output->tensor();
    const auto axis = static_cast<std::size_t>(dim < 0 ? dim + type.rank() : dim);
    if (axis >= type.sizes.size() || !type.sizes[axis].is_fixed()) return std::nullopt;
    sizes.push_back(type.sizes[axis].size);
  }
  return sizes;
}

std::optional<std::vector<std::int64_t>> split_sizes(const Node& node, std::int64_t& dim) {
  const Argument* given = node.find_argument("dim");
  if (given && !std::holds_alternative<std::int64_t>(*given)) return std::nullopt;
  dim = given ? std::get<std::int64_t>(*given) : 0;
  return fixed_parts(node, dim);
}

bool is_changed_in_place(const Value* value) {
  return std::any_of(value->uses().begin(), value->uses().end(), [](const Use& use) { return use.node && use.argument == 0 && has_side_effect(*use.node); });
}

void split(Builder& builder, const Node& node) {
  std::int64_t dim = 0;
  auto sizes = *split_sizes(node, dim);
  const ValueId self = builder.id_of(get_value(node, 0, "self"));
  if (std::any_of(node.outputs().begin(), node.outputs().end(), is_changed_in_place)) {  // parts that reach the whole
    std::int64_t start = 0;
    for (std::size_t i = 0; i < sizes.size(); start += sizes[i++]) {
      builder.view("aten::slice", {self, builder.constant(dim), builder.constant(start), builder.constant(start + sizes[i]),
                                   builder.constant(std::int64_t{1})}, node.output(i));
    }
    return;
  }
  builder.calls_list("aten::split_with_sizes", {self, builder.constant(std::move(sizes)), builder.constant(dim)}, node.outputs());
}

// Batch norm with fixed statistics is x * scale + shift. OpenVINO would write the same, but without names: a product
// that is folded into a convolution gives it its own name, so it is named after what it will be folded into.
void batch_norm(Builder& builder, const Node& node) {
  const Value* input = get_value(node, 0, "input");
  const at::Tensor mean = builder.weight_of(node.find_value("running_mean")).to(at::kDouble);
  at::Tensor scale = (builder.weight_of(node.find_value("running_var")).to(at::kDouble) + get_number(node, 7, "eps")).rsqrt();
  if (const Value* gain = node.find_value("weight")) scale = scale * builder.weight_of(gain).to(at::kDouble);
  at::Tensor shift = -mean * scale;
  if (const Value* bias = node.find_value("bias")) shift = shift + builder.weight_of(bias).to(at::kDouble);
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(input->tensor().rank() - 1), 1);
  sizes.front() = mean.numel();
  const auto dtype = to_c10(input->tensor().dtype);
  const ValueId factor = builder.weight(scale.detach().to(dtype).reshape(sizes), node.name() + ".scale");
  const ValueId offset = builder.weight(shift.detach().to(dtype).reshape(sizes), node.name() + ".shift");
  const Node* producer = input->producer();
  const ValueId product = builder.call_like("aten::mul", {builder.id_of(input), factor}, node.output(), producer ? producer->name() : "");
  builder.call("aten::add", {product, offset}, node.output());
}

bool has_fixed_statistics(const Node& node, const Graph& graph) {
  const auto is_fixed = [&](const char* name, bool needed) {
    const Value* value = node.find_value(name);
    return value ? !value->producer() && graph.find_input(value)->is_weight() : !needed;
  };
  const Value* input = node.find_value("input");
  return input && input->tensor().rank() >= 2 && is_floating(input->tensor().dtype) && is_fixed("running_mean", true) &&
         is_fixed("running_var", true) && is_fixed("weight", false) && is_fixed("bias", false);
}

// A slice from end to end. As a step of its own, a change written through it becomes a scatter of every element, over which
// OpenVINO's low-precision passes go wrong.
bool takes_everything(const Node& node) {
  const Value* self = node.op() == "aten.slice" ? node.find_value("self") : nullptr;
  if (!self) return false;
  const auto given_or = [&](std::string_view name, std::int64_t otherwise) { return is_given(node, name) ? int_or(node, name, -1) : otherwise; };
  constexpr auto kLast = std::numeric_limits<std::int64_t>::max();
  const Dim& size = self->tensor().sizes.at(static_cast<std::size_t>(dim_or(node, "dim", 0, self->tensor().rank())));
  const std::int64_t end = given_or("end", kLast);
  return given_or("start", 0) == 0 && given_or("step", 1) == 1 && (end == kLast || (size.is_fixed() && end >= size.size));
}

// A reshape to the same sizes, known as expressions. OpenVINO, which sees no expressions, would run it, and not fuse across it.
bool keeps_sizes(const Node& node) {
  const std::string_view op = node.op();
  const bool reshapes = op == "aten.view" || op == "aten.reshape" || op == "aten.expand" || op == "aten.expand_as";
  const Value* self = reshapes ? node.find_value("self") : nullptr;
  return self && self->tensor().dtype == node.output()->tensor().dtype && self->tensor().sizes == node.output()->tensor().sizes;
}

const TorchRules& rules() {
  static const TorchRules table = {
      {"aten.alias", identity},
      {"aten.detach", identity},
      {"aten.detach_", identity},
      {"aten.lift", identity},
      {"aten.lift_fresh", identity},
      {"aten.dropout", identity_input},
      {"aten.dropout_", identity},
      {"aten.alpha_dropout", identity_input},
      {"aten.feature_dropout", identity_input},
      {"aten.feature_alpha_dropout", identity_input},
      {"aten._softmax", softmax},
      {"aten._log_softmax", softmax},
      {"aten._to_copy", to_copy},
      {"torch.sym_float", sym_float},
  };
  return table;
}

}  // namespace

const Argument& get_argument(const Node& node, std::size_t position, std::string_view name) {
  if (const Argument* found = node.find_argument(name)) return *found;
  if (position < node.arguments().size()) return node.arguments()[position].value;
  throw Error(ErrorCode::unsupported, node.target() + " of %" + node.name() + " has no argument `" + std::string(name) + "`");
}

Value* get_value(const Node& node, std::size_t position, std::string_view name) {
  const Argument& argument = get_argument(node, position, name);
  if (auto* const* value = std::get_if<Value*>(&argument); value && *value) return *value;
  throw Error(ErrorCode::unsupported, node.target() + " of %" + node.name() + ": `" + std::string(name) + "` is not a tensor");
}

double get_number(const Node& node, std::size_t position, std::string_view name) {
  const Argument& argument = get_argument(node, position, name);
  if (const auto number = number_of(argument)) return *number;
  throw Error(ErrorCode::unsupported, node.target() + " of %" + node.name() + ": `" + std::string(name) + "` is not a fixed number");
}

std::int64_t get_integer(const Node& node, std::size_t position, std::string_view name) {
  const Argument& argument = get_argument(node, position, name);
  if (const auto* value = std::get_if<std::int64_t>(&argument)) return *value;
  throw Error(ErrorCode::unsupported, node.target() + " of %" + node.name() + ": `" + std::string(name) + "` is not a fixed integer");
}

TorchRule find_torch_rule(const Node& node, const Graph& graph) {
  const auto op = node.op();
  const auto name = op.substr(op.rfind('.') + 1);
  if (name.starts_with("_assert") || name.starts_with("sym_constrain_range")) return skip;
  for (const auto key : {op, std::string_view(node.target())}) {
    if (const auto found = rules().find(key); found != rules().end()) return found->second;
    if (const auto found = quantization_rules().find(key); found != quantization_rules().end()) return found->second;
    if (const auto found = composition_rules().find(key); found != composition_rules().end()) return found->second;
    if (renamed_operators().contains(key)) return rename;
  }
  if (takes_everything(node) || keeps_sizes(node)) return identity;
  if (const TorchRule rule = run_time_groups_rule(node)) return rule;
  const bool splits = op == "aten.split" || op == "aten.chunk" || op == "aten.tensor_split";
  if ((op == "aten.batch_norm" || op == "aten._native_batch_norm_legit_no_training") && has_fixed_statistics(node, graph)) return batch_norm;
  if (std::int64_t dim = 0; splits && split_sizes(node, dim)) return split;
  if (const TorchRule rule = cat_rule(node)) return rule;
  if (const TorchRule rule = nonzero_rule(node)) return rule;
  return convolution_rule(node);
}

const Argument* find_evaluation_argument(const Node& node, std::string_view name) {
  static const Argument no = false, yes = true, zero = 0.0, none = NoneArgument{};
  const auto op = node.op();
  // A factor of 1 would be written as a product.
  if (name == "alpha" && (op == "aten.add" || op == "aten.add_" || op == "aten.sub" || op == "aten.sub_")) {
    const Argument* alpha = node.find_argument(name);
    return !alpha || *alpha == Argument(std::int64_t{1}) ? &none : nullptr;
  }
  // Without running statistics, those of the batch are all there is; weight standardisation is written so.
  if (name == "training" && op == "aten.batch_norm") return node.find_value("running_mean") ? &no : &yes;
  if (name == "training" || name == "train") return &no;
  if (name == "use_input_stats" && op == "aten.instance_norm") return node.find_value("running_mean") ? &no : &yes;
  if (name == "dropout_p" && op == "aten.scaled_dot_product_attention") return &zero;
  return nullptr;
}

}  // namespace dsc
