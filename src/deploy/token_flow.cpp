#include "deploy/token_flow.h"

#include <algorithm>
#include <array>
#include <limits>

#include "dscompress/error.h"
#include "ops/arguments.h"

namespace dsc {
namespace {

// Operators that compute along a dimension: dim 1 of [batch, positions, ..] would mix positions.
bool is_along_dim(std::string_view op) {
  constexpr std::array kOps{"aten.cumsum", "aten.cumprod", "aten.logcumsumexp", "aten.cummax", "aten.cummin", "aten.softmax", "aten._softmax",
                            "aten.log_softmax", "aten._log_softmax", "aten.flip", "aten.roll", "aten.sort", "aten.argsort", "aten.topk", "aten.diff"};
  return std::find(kOps.begin(), kOps.end(), op) != kOps.end();
}

bool is_recurrent(std::string_view op) { return op == "aten.lstm" || op == "aten.gru" || op == "aten.rnn_tanh" || op == "aten.rnn_relu"; }

bool is_convolution(std::string_view op) { return op.starts_with("aten.conv") || op.starts_with("aten._convolution"); }

// The last position, or the last few: those of the new tokens are those of all.
bool takes_last(const Node& node) {
  if (node.op() == "aten.select") return int_or(node, "index", 0) < 0;
  return node.op() == "aten.slice" && int_or(node, "start", 0) < 0 && int_or(node, "end", std::numeric_limits<std::int64_t>::max()) > 1'000'000'000;
}

bool mixes_along(const Node& node, const Value& input, std::int64_t axis) {
  const auto op = plain_op(node);
  if (is_recurrent(op)) return true;
  if (is_convolution(op)) return axis > 0;
  if (!is_along_dim(op)) return false;
  const std::int64_t rank = input.tensor().rank();
  const auto dims = is_given(node, "dims") ? dims_or(node, "dims", {}, rank) : dims_or(node, "dim", {-1}, rank);
  return std::find(dims.begin(), dims.end(), axis) != dims.end();
}

}  // namespace

void refuse_decoder(const Node& node, const std::string& reason, const std::string& remedy) {
  const std::string line = node.source_line();
  throw Error(ErrorCode::unsupported, "no cache of keys and values can be made for this graph: `" + node.target() + "` " + reason + (line.empty() ? "" : " (" + line + ")"),
              {.pointer = "%" + node.name()}, remedy);
}

bool is_one_attention(const Node& node) { return node.op() == "aten.scaled_dot_product_attention"; }

bool reads_type_alone(const Node& node, std::string_view argument) {
  const auto op = node.op();
  if (argument == "self") return op == "aten.new_ones" || op == "aten.new_zeros" || op == "aten.new_full" || op == "aten.new_empty";
  return argument == "other" && (op == "aten.type_as" || node.is("aten.to.other"));
}

TokenFlow::TokenFlow(const Graph& graph, const SequenceSymbol& length, const Value* mask) : length_(length) {
  for (const GraphInput& input : graph.inputs()) {
    if (input.kind != InputKind::user || !input.value) continue;
    (input.value == mask ? varying_ : of_tokens_).insert(input.value);
  }
  // Again as long as writing in place makes something earlier one of tokens: keys put together part by part.
  for (std::size_t before = 0; before != of_tokens_.size();) {
    before = of_tokens_.size();
    for (const Node* node : graph.nodes()) follow(*node);
  }
}

void TokenFlow::follow(const Node& node) {
  bool tokens = false, varies = false;
  for (const NamedArgument& argument : node.arguments()) {
    for (const Value* value : values_of(argument.value)) {
      varies |= varying_.contains(value);
      tokens |= of_tokens_.contains(value) && !reads_type_alone(node, argument.name);
    }
  }
  if (node.op() == "aten.sym_size") tokens = varies = false;
  for (const Value* output : node.outputs()) {
    const auto* symbol = std::get_if<SymbolType>(&output->type());
    const bool speaks = symbol ? length_.is_in(symbol->expression) : !length_.axes(output->tensor()).empty();
    if (tokens) of_tokens_.insert(output);
    if (varies || speaks) varying_.insert(output);
  }
  if (tokens && has_side_effect(node)) mark_written(node);
}

// What an in-place operator writes into, and what that is a view of.
void TokenFlow::mark_written(const Node& node) {
  const Value* value = self_of(node);
  while (value && of_tokens_.insert(value).second && value->producer()) {
    const auto op = value->producer()->op();
    constexpr std::array kViews{"aten.slice", "aten.select", "aten.view", "aten.transpose", "aten.unsqueeze", "aten.alias", "aten.narrow", "aten.permute", "aten.squeeze"};
    value = std::find(kViews.begin(), kViews.end(), op) != kViews.end() ? self_of(*value->producer()) : nullptr;
  }
}

void require_position_wise(const Node& node, const TokenFlow& flow, const SequenceSymbol& length) {
  if (is_one_attention(node) || node.op() == "aten.sym_size") return;
  bool reads = false;
  for (const Value* input : tensor_arguments(node)) {
    if (!flow.is_of_tokens(input)) continue;
    for (const std::int64_t axis : length.axes(input->tensor())) {
      reads = true;
      if (mixes_along(node, *input, axis)) refuse_decoder(node, "computes along the positions");
    }
  }
  for (const Value* output : node.outputs()) {
    if (!output->is_tensor() || !reads || takes_last(node)) continue;
    const auto axes = length.axes(output->tensor());
    if (axes.size() > 1) refuse_decoder(node, "compares all positions with each other", kExportWhole);
    const bool keeps = axes.size() == 1 && length.is_multiple(output->tensor().sizes[static_cast<std::size_t>(axes[0])]);
    if (!keeps) refuse_decoder(node, "does not keep the positions apart");
  }
}

}  // namespace dsc
