#include "deploy/later_rows.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "dscompress/error.h"
#include "ops/arguments.h"

namespace dsc {
namespace {

// One result for each element, dimensions aligned from the right.
bool is_elementwise(const Node& node) {
  constexpr std::array kOps{
      "aten.add", "aten.sub", "aten.mul", "aten.div", "aten.neg", "aten.abs", "aten.pow", "aten.exp", "aten.log", "aten.sqrt", "aten.rsqrt", "aten.reciprocal",
      "aten.cos", "aten.sin", "aten.floor", "aten.clamp", "aten.minimum", "aten.maximum", "aten.remainder", "aten.le", "aten.lt", "aten.ge", "aten.gt", "aten.eq",
      "aten.ne", "aten.__and__", "aten.__or__", "aten.__xor__", "aten.bitwise_and", "aten.bitwise_or", "aten.bitwise_not", "aten.logical_and", "aten.logical_or",
      "aten.logical_not", "aten.where", "aten.masked_fill", "aten.to", "aten._to_copy", "aten.type_as", "aten.clone", "aten.contiguous", "aten.alias",
      "aten.detach", "aten.lift_fresh_copy"};
  return std::find(kOps.begin(), kOps.end(), node.op()) != kOps.end();
}

bool is_whole_slice(const Node& node) {
  return node.op() == "aten.slice" && int_or(node, "start", 0) == 0 && int_or(node, "end", kToTheEnd) == kToTheEnd && int_or(node, "step", 1) == 1;
}

// What keeps the numbers along the last dimension as they are.
bool only_converts(const Node& node) {
  constexpr std::array kOps{"aten.to", "aten._to_copy", "aten.clone", "aten.contiguous", "aten.alias", "aten.detach", "aten.expand"};
  return is_whole_slice(node) || std::find(kOps.begin(), kOps.end(), node.op()) != kOps.end();
}

std::vector<TensorType> types_of(const Node& node, const std::function<TensorType(const TensorType&)>& map) {
  std::vector<TensorType> types;
  for (const Value* output : node.outputs()) types.push_back(output->is_tensor() ? map(output->tensor()) : TensorType{});
  return types;
}

}  // namespace

LaterRows::LaterRows(const DecoderGraph& decoder)
    : decoder_(decoder), graph_(decoder.graph), flow_(decoder.flow), length_(decoder.length), total_(std::get<SymbolType>(decoder.total->type()).expression) {}

Node* LaterRows::place_of_copies(const Value* value) const { return value->producer() ? value->producer() : decoder_.nodes.front(); }

Node* LaterRows::copy(const Node& node, Node* before, const Substitute& substitute, const std::vector<TensorType>& types) {
  std::vector<NamedArgument> arguments = node.arguments();
  for (NamedArgument& argument : arguments) {
    if (reads_type_alone(node, argument.name)) continue;
    if (auto* value = std::get_if<Value*>(&argument.value)) *value = substitute(*value);
    if (auto* list = std::get_if<ValueList>(&argument.value)) {
      for (Value*& value : *list) value = value ? substitute(value) : nullptr;
    }
    if (auto* list = std::get_if<IntList>(&argument.value)) {
      for (IntOrValue& entry : *list) {
        if (auto* value = std::get_if<Value*>(&entry)) *value = substitute(*value);
      }
    }
  }
  std::vector<OutputSpec> outputs;
  for (std::size_t i = 0; i < node.outputs().size(); ++i) {
    const Value* output = node.outputs()[i];
    outputs.push_back({output->name(), output->is_tensor() ? dsc::Type(types.at(i)) : output->type()});
  }
  Node* made = graph_.insert(before, node.target(), std::move(arguments), std::move(outputs), node.output_structure());
  graph_.copy_origin(made, &node);
  return made;
}

Value* LaterRows::whole(Value* value) {
  if (!flow_.varies(value)) return value;
  if (const auto known = wholes_.find(value); known != wholes_.end()) return known->second;
  Value* made = whole_of(value);
  wholes_[value] = made;
  return made;
}

Value* LaterRows::whole_of(Value* value) {
  Node* node = value->producer();
  if (node && node->op() == "aten.sym_size") return whole_size(value);
  if (node && flow_.is_of_tokens(value)) refuse_decoder(*node, "makes masks or positions of the tokens themselves, of which later calls see only the new ones");
  if (!node) return value;  // the mask, which is given for all positions
  if (has_side_effect(*node)) refuse_decoder(*node, "changes a mask or positions in place");
  for (const Use& use : value->uses()) {
    if (use.node && has_side_effect(*use.node)) refuse_decoder(*use.node, "changes a mask or positions in place");
  }
  Node* made = copy(*node, node, [&](Value* argument) { return whole(argument); }, types_of(*node, [&](const TensorType& type) { return at_total(type); }));
  for (std::size_t i = 0; i < made->outputs().size(); ++i) {
    if (const auto* symbol = std::get_if<SymbolType>(&made->output(i)->type())) {
      graph_.set_type(made->output(i), SymbolType{symbol->kind, length_.with(symbol->expression, total_), symbol->hint});
    }
    wholes_[node->output(i)] = made->output(i);
  }
  return made->output(value->output_index());
}

Value* LaterRows::whole_size(Value* value) {
  const Dim& size = std::get<SymbolType>(value->type()).expression;
  if (length_.is(size)) return decoder_.total;
  Node* node = value->producer();
  if (length_.is_in(size)) refuse_decoder(*node, "reads a size that is not the number of positions alone");
  return value;
}

Value* LaterRows::rows(Value* value, std::int64_t axis, Of of) {
  const std::tuple key{static_cast<const Value*>(value), axis, of};
  if (const auto known = rows_.find(key); known != rows_.end()) return known->second;
  Value* made = pushed(value, axis, of);
  rows_[key] = made;
  return made;
}

Value* LaterRows::sliced(Value* value, std::int64_t axis) {
  TensorType type = at_total(value->tensor());
  type.sizes[static_cast<std::size_t>(axis)] = length_.dim();
  Value* all = whole(value);
  Node* node = graph_.insert(place_of_copies(value), "aten.slice.Tensor", {{"self", all}, {"dim", axis}, {"start", decoder_.earlier}, {"end", kToTheEnd}},
                             {{value->name() + "_later", type}});
  return node->output();
}

Value* LaterRows::copy_rows(Value* value, std::int64_t axis, const Substitute& substitute) {
  TensorType type = at_total(value->tensor());
  type.sizes[static_cast<std::size_t>(axis)] = length_.dim();
  return copy(*value->producer(), value->producer(), substitute, {type})->output();
}

Value* LaterRows::pushed(Value* value, std::int64_t axis, Of of) {
  const TensorType& type = value->tensor();
  const Node* node = value->producer();
  if (!length_.is(type.sizes[static_cast<std::size_t>(axis)])) {
    if (node) refuse_decoder(*node, "has rows that are not one for each position", kMaskWindows);
    throw Error(ErrorCode::unsupported, "input `" + value->name() + "` has no row for each position");
  }
  if (of == Of::positions && type.rank() == 2 && axis == 1) {
    if (const auto offset = position_offset(value)) return given_positions(value, *offset);
  }
  if (!node || node->outputs().size() != 1) return sliced(value, axis);
  if (is_elementwise(*node)) return rows_elementwise(value, axis, of);
  const auto op = node->op();
  if (op == "aten.index") return rows_of_index(value, axis, of);
  if (op == "aten.matmul" || op == "aten.bmm") return rows_of_matmul(value, axis, of);
  if (op == "aten.expand") return rows_of_expand(value, axis, of);
  const std::int64_t rank = type.rank();
  const auto through = [&](std::int64_t from) {
    return copy_rows(value, axis, [&](Value* argument) { return argument->is_tensor() ? rows(argument, from, of) : whole(argument); });
  };
  if (op == "aten.unsqueeze") return through(axis - (dim_or(*node, "dim", 0, rank) < axis ? 1 : 0));
  if (is_whole_slice(*node)) return through(axis);
  if (op == "aten.slice" && dim_or(*node, "dim", 0, rank) != axis) return through(axis);
  if (op == "aten.cat" && dim_or(*node, "dim", 0, rank) != axis) return through(axis);
  if (op == "aten.transpose") {
    const std::int64_t a = dim_or(*node, "dim0", 0, rank), b = dim_or(*node, "dim1", 0, rank);
    return through(axis == a ? b : axis == b ? a : axis);
  }
  return sliced(value, axis);
}

// The operand's rows, whose dimensions are aligned with `rank` dimensions from the right; the operand as a whole where it has
// one row for all.
Value* LaterRows::aligned_rows(Value* value, std::int64_t rank, std::int64_t axis, Of of) {
  if (!value->is_tensor()) return whole(value);
  const std::int64_t own = axis - (rank - value->tensor().rank());
  const bool has_rows = own >= 0 && length_.is_in(value->tensor().sizes[static_cast<std::size_t>(own)]);
  return has_rows ? rows(value, own, of) : whole(value);
}

Value* LaterRows::rows_elementwise(Value* value, std::int64_t axis, Of of) {
  return copy_rows(value, axis, [&](Value* argument) { return aligned_rows(argument, value->tensor().rank(), axis, of); });
}

// Rows of what is looked up are rows of the places where it is looked up.
Value* LaterRows::rows_of_index(Value* value, std::int64_t axis, Of of) {
  const Node& node = *value->producer();
  const Value* self = node.find_value("self");
  const auto& indices = std::get<ValueList>(*node.find_argument("indices"));
  const bool all = static_cast<std::int64_t>(indices.size()) == self->tensor().rank() && std::find(indices.begin(), indices.end(), nullptr) == indices.end();
  const bool flat = indices.size() == 1 && indices.front() && indices.front()->tensor().dtype != ScalarType::boolean;
  if (!all && !(flat && axis < indices.front()->tensor().rank())) return sliced(value, axis);
  const std::int64_t rank = all ? value->tensor().rank() : indices.front()->tensor().rank();
  return copy_rows(value, axis, [&](Value* argument) { return argument == self ? whole(argument) : aligned_rows(argument, rank, axis, of); });
}

Value* LaterRows::rows_of_matmul(Value* value, std::int64_t axis, Of of) {
  const Node& node = *value->producer();
  const auto operands = tensor_arguments(node);
  const std::int64_t rank = value->tensor().rank();
  const bool is_plain = rank >= 2 && operands[0]->tensor().rank() == rank && operands[1]->tensor().rank() == rank;
  if (!is_plain || axis < rank - 2) return sliced(value, axis);
  const Value* with_rows = operands[axis == rank - 2 ? 0 : 1];
  return copy_rows(value, axis, [&](Value* argument) { return argument == with_rows ? rows(argument, axis, of) : whole(argument); });
}

Value* LaterRows::rows_of_expand(Value* value, std::int64_t axis, Of of) {
  const Node& node = *value->producer();
  Value* self = node.find_value("self");
  IntList sizes = int_list(node, "size");
  const std::int64_t offset = value->tensor().rank() - self->tensor().rank();
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    auto* const* symbol = std::get_if<Value*>(&sizes[i]);
    const auto own = static_cast<std::int64_t>(i) - offset;
    // A dimension of one position row for all may have become one for each example.
    const bool is_one = own >= 0 && self->tensor().sizes[static_cast<std::size_t>(own)] == Dim{1, ""} && value->tensor().sizes[i] == Dim{1, ""};
    if (static_cast<std::int64_t>(i) == axis) sizes[i] = decoder_.fresh;
    else if (is_one) sizes[i] = std::int64_t{-1};
    else if (symbol) sizes[i] = whole(*symbol);
  }
  TensorType type = at_total(value->tensor());
  type.sizes[static_cast<std::size_t>(axis)] = length_.dim();
  Value* source = aligned_rows(self, value->tensor().rank(), axis, of);
  Node* made = graph_.insert(value->producer(), node.target(), {{"self", source}, {"size", std::move(sizes)}}, {{value->name(), type}});
  graph_.copy_origin(made, &node);
  return made->output();
}

// 0, 1, 2, .. along the last dimension, plus a number; the same for all examples.
std::optional<std::int64_t> LaterRows::position_offset(const Value* value) const {
  const Node* node = value->producer();
  if (!node) return std::nullopt;
  if (node->op() == "aten.arange") {
    const Value* end = node->find_value("end");
    const bool from_zero = int_or(*node, "start", 0) == 0 && int_or(*node, "step", 1) == 1 && !(node->find_value("start"));
    const bool to_length = end && !end->is_tensor() && length_.is(std::get<SymbolType>(end->type()).expression);
    return from_zero && to_length ? std::optional<std::int64_t>(0) : std::nullopt;
  }
  const Value* self = tensor_arguments(*node).empty() ? nullptr : self_of(*node);
  if (!self || value->tensor().dtype != ScalarType::i64) return std::nullopt;
  if (only_converts(*node)) return position_offset(self);
  if (node->op() == "aten.unsqueeze" && self->tensor().rank() == 1 && dim_or(*node, "dim", 0, 2) == 0) return position_offset(self);
  const Argument* other = node->op() == "aten.add" ? node->find_argument("other") : nullptr;
  const auto* number = other ? std::get_if<std::int64_t>(other) : nullptr;
  const auto before = number && !is_given(*node, "alpha") ? position_offset(self) : std::nullopt;
  return before ? std::optional(*before + *number) : std::nullopt;
}

Value* LaterRows::given_positions(Value* value, std::int64_t offset) {
  if (!positions_) {
    positions_ = graph_.add_input(InputKind::user, "position_ids", "position_ids", TensorType{.dtype = ScalarType::i64, .sizes = decoder_.ids->tensor().sizes});
  }
  if (offset == 0) return positions_;
  Node* moved = graph_.insert(place_of_copies(value), "aten.add.Tensor", {{"self", positions_}, {"other", offset}}, {{"positions", positions_->tensor()}});
  return moved->output();
}

}  // namespace dsc
