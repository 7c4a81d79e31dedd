#include "deploy/cached_decoder.h"

#include <algorithm>
#include <utility>

#include "deploy/attention_past.h"
#include "deploy/later_rows.h"
#include "dscompress/error.h"
#include "ir/shared_copy.h"
#include "ops/arguments.h"

namespace dsc {
namespace {

constexpr const char* kIds = "input_ids";
constexpr const char* kMask = "attention_mask";
constexpr const char* kExportAgain = "export a causal language model with input_ids and attention_mask, use_cache=False, batch and sequence of any length";

[[noreturn]] void refuse_interface(const std::string& what) {
  throw Error(ErrorCode::unsupported, "no cache of keys and values can be made for this graph: " + what, {}, kExportAgain);
}

struct Interface {
  Value* ids = nullptr;
  Value* mask = nullptr;  // null: the graph has none
};

Interface find_interface(const Graph& graph) {
  Interface found;
  for (const GraphInput& input : graph.inputs()) {
    if (input.kind != InputKind::user || !input.value) continue;
    if (input.target == kIds) found.ids = input.value;
    else if (input.target == kMask) found.mask = input.value;
    else if (input.target != "position_ids") refuse_interface("it takes the input `" + input.target + "`, which generation does not give");
  }
  const auto is_open = [](const Value* value) { return value->is_tensor() && value->tensor().rank() == 2 && !value->tensor().sizes[1].is_fixed(); };
  if (!found.ids) refuse_interface("it takes no input `input_ids`");
  if (!is_open(found.ids)) refuse_interface("`input_ids` is not [batch, sequence] with a sequence of any length");
  const bool fits = !found.mask || (is_open(found.mask) && found.mask->tensor().sizes[1] == found.ids->tensor().sizes[1]);
  if (!fits) refuse_interface("`attention_mask` is not [batch, sequence]");
  return found;
}

void check_outputs(Graph& graph) {
  Value* logits = nullptr;
  std::size_t count = 0;
  for (const GraphOutput& output : graph.outputs()) {
    if (output.kind != OutputKind::user) refuse_interface("it writes into `" + output.target + "`");
    auto* const* value = std::get_if<Value*>(&output.value);
    if (!value || !*value || !(*value)->is_tensor()) continue;
    logits = *value;
    ++count;
  }
  if (count != 1) refuse_interface("it has " + std::to_string(count) + " outputs, generation takes logits alone");
  graph.rename(logits, "logits");
}

// Checks of the exporter speak of one length, and there are two now.
void erase_checks(Graph& graph) {
  for (Node* node : graph.nodes()) {
    const auto name = node->op().substr(node->op().rfind('.') + 1);
    if (name.starts_with("_assert") || name.starts_with("sym_constrain_range")) graph.erase(node);
  }
}

bool makes_tokens(const Node& node, const TokenFlow& flow) {
  return std::any_of(node.outputs().begin(), node.outputs().end(), [&](const Value* value) { return flow.is_of_tokens(value); });
}

// Generation gives a mask of integers, of all positions.
Value* give_mask(Graph& graph, Value* mask, const Value* ids, Node* first) {
  const ScalarType wanted = mask ? mask->tensor().dtype : ScalarType::i64;
  if (!mask) return graph.add_input(InputKind::user, kMask, kMask, TensorType{.dtype = ScalarType::i64, .sizes = ids->tensor().sizes});
  if (wanted == ScalarType::i64) return mask;
  Node* convert = graph.insert(first, "aten.to.dtype", {{"self", mask}, {"dtype", wanted}}, {{"mask", mask->type()}});
  for (const Use& use : std::vector<Use>(mask->uses())) {
    if (use.node != convert) graph.replace_use(use, convert->output());
  }
  TensorType type = mask->tensor();
  type.dtype = ScalarType::i64;
  graph.set_type(mask, std::move(type));
  return mask;
}

Value* read_size(Graph& graph, Node* before, Value* of, const std::string& name, const Dim& dim) {
  return graph.insert(before, "aten.sym_size.int", {{"self", of}, {"dim", std::int64_t{1}}}, {{name, SymbolType{.expression = dim}}})->output();
}

void add_lengths(DecoderGraph& decoder) {
  Node* first = decoder.nodes.front();
  const Dim& length = decoder.length.dim();
  decoder.fresh = read_size(decoder.graph, first, decoder.ids, "new_tokens", length);
  decoder.total = read_size(decoder.graph, first, decoder.mask, "total_tokens", symbol_like(length, "total"));
  Node* difference = decoder.graph.insert(first, "_operator.sub", {{"", decoder.total}, {"", decoder.fresh}}, {{"earlier_tokens", SymbolType{.expression = symbol_like(length, "earlier")}}});
  decoder.earlier = difference->output();
}

// What a node of tokens reads that is not made of them: angles, positions. Attention's mask apart.
void take_later_rows(const DecoderGraph& decoder, LaterRows& later, Node* node) {
  for (std::size_t i = 0; i < node->arguments().size(); ++i) {
    const std::string& name = node->arguments()[i].name;
    if (reads_type_alone(*node, name) || (is_one_attention(*node) && name == "attn_mask")) continue;
    for (Value* value : values_of(node->arguments()[i].value)) {
      if (!value->is_tensor() || decoder.flow.is_of_tokens(value) || !decoder.flow.varies(value)) continue;
      const auto axes = decoder.length.axes(value->tensor());
      if (axes.size() > 1) refuse_decoder(*node, "compares all positions with each other", kExportWhole);
      Value* rows = axes.empty() ? later.whole(value) : later.rows(value, axes.front(), LaterRows::Of::positions);
      for (const Use& use : std::vector<Use>(value->uses())) {
        if (use.node == node && use.argument == i) decoder.graph.replace_use(use, rows);
      }
    }
  }
}

// Sizes that the tokens' operators read are those of the new ones.
void count_new_tokens(const DecoderGraph& decoder) {
  for (Node* node : decoder.nodes) {
    const auto* size = node->op() == "aten.sym_size" ? std::get_if<SymbolType>(&node->output()->type()) : nullptr;
    if (size && decoder.length.is(size->expression)) decoder.graph.replace_uses(node->output(), decoder.fresh);
  }
}

std::size_t rewrite(DecoderGraph& decoder) {
  add_lengths(decoder);
  LaterRows later(decoder);
  for (Node* node : decoder.nodes) {
    if (node->op() == "aten.sym_size" || !makes_tokens(*node, decoder.flow)) continue;
    require_position_wise(*node, decoder.flow, decoder.length);
    take_later_rows(decoder, later, node);
  }
  AttentionPast past(decoder, later);
  for (Node* node : decoder.nodes) {
    if (is_one_attention(*node)) past.add_to(node);
  }
  count_new_tokens(decoder);
  TensorType mask = decoder.mask->tensor();
  mask.sizes[1] = later.total();
  mask.strides.clear();
  decoder.graph.set_type(decoder.mask, std::move(mask));
  return past.keep();
}

}  // namespace

CachedDecoder to_cached_decoder(const Model& model) {
  CachedDecoder made{.model = shared_copy(model)};
  Graph& graph = made.model.graph;
  const Interface interface = find_interface(graph);
  check_outputs(graph);
  erase_checks(graph);
  const SequenceSymbol length(interface.ids->tensor().sizes[1]);
  std::vector<Node*> nodes = graph.nodes();
  if (nodes.empty()) refuse_interface("it computes nothing");
  Value* mask = give_mask(graph, interface.mask, interface.ids, nodes.front());
  const TokenFlow flow(graph, length, mask);
  DecoderGraph decoder{.graph = graph, .length = length, .flow = flow, .nodes = std::move(nodes), .ids = interface.ids, .mask = mask, .knew_mask = interface.mask != nullptr};
  made.caches = rewrite(decoder);
  if (made.caches == 0) refuse_interface("it has no attention as one operator (scaled_dot_product_attention)");
  for (const std::string& name : graph.erase_dead_code(true)) made.model.weights.erase(name);
  return made;
}

}  // namespace dsc
