// sparsify_attention: lets each position attend to a window around it, or to its k best keys.
//
//   before  %y = scaled_dot_product_attention(%q, %k, %v)     after  %band: positions further apart than `window` get -1e9
//                                                                    %y = scaled_dot_product_attention(%q, %k, %v, %band)
//   before  %p = softmax(%scores)                             after  %p = softmax(%scores where they are among the row's k largest)
//
// A rewrite in standard operators: exported, deployed and trained like the rest. Equal to the original when the window (or k)
// is no smaller than the sequence. Leaves alone: attention between different lengths, softmaxes that are no attention.
// What it saves depends on the engine: scores are still computed densely by engines without sparse kernels.
// Sources: Beltagy et al. 2020 (arXiv:2004.05150, windows); Gupta et al. 2021 (arXiv:2106.06899, top-k).
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "dscompress/pass.h"
#include "ops/arguments.h"
#include "passes/restructure/attention_patterns.h"
#include "passes/restructure/rewrite.h"

namespace dsc {
namespace {

using namespace restructure;

constexpr double kFar = -1e9;  // no weight beside any real score, and a row of nothing else is no row of NaN

struct Options {
  std::optional<std::int64_t> window, top_k;
  std::vector<std::string> only, skip;

  void fields(FieldVisitor& visit) {
    visit("window", window, {.text = "Positions to each side that one attends to.", .unit = "positions", .minimum = 0});
    visit("top_k", top_k, {.text = "Keys that each position attends to: those with the highest scores.", .unit = "positions", .minimum = 1});
    visit("only", only, {.text = "Module globs of the attentions to change; empty: all."});
    visit("skip", skip, {.text = "Module globs of attentions to leave alone."});
    visit.check(window.has_value() + top_k.has_value() == 1 ? "" : "sparsify_attention needs exactly one of window, top_k");
  }
};

std::vector<Attention> selected(const Model& model, const Options& options) {
  std::vector<Attention> found = find_attention(model.graph);
  std::erase_if(found, [&](const Attention& attention) { return !is_selected(place_of(*attention.node), options.only, options.skip); });
  return found;
}

ScalarType dtype_of(const Attention& attention) { return (attention.is_whole ? attention.query : attention.scores)->tensor().dtype; }

// The number of positions, as an argument: a literal, or read from the tensor.
struct Length {
  Dim dim;
  IntOrValue value;
};
Length length_of(Inserter& insert, const Attention& attention) {
  Value* tensor = attention.is_whole ? attention.query : attention.scores;
  const std::int64_t dim = tensor->tensor().rank() - 2;
  const Dim& known = tensor->tensor().sizes[static_cast<std::size_t>(dim)];
  return {known, known.is_fixed() ? IntOrValue(known.size) : IntOrValue(insert.size(tensor, dim))};
}

Argument as_argument(const IntOrValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
  return std::get<Value*>(value);
}

// [positions, positions]: row - column.
Value* distances(Inserter& insert, const Length& length) {
  Value* positions = insert.tensor("aten.arange.default", {{"end", as_argument(length.value)}}, ScalarType::i64);
  Value* rows = insert.tensor("aten.unsqueeze.default", {{"self", positions}, {"dim", std::int64_t{1}}}, ScalarType::i64);
  Value* columns = insert.tensor("aten.unsqueeze.default", {{"self", positions}, {"dim", std::int64_t{0}}}, ScalarType::i64);
  return insert.tensor("aten.sub.Tensor", {{"self", rows}, {"other", columns}}, ScalarType::i64);
}

Value* compare(Inserter& insert, const char* op, Value* value, std::int64_t with) {
  return insert.tensor(op, {{"self", value}, {"other", with}}, ScalarType::boolean);
}

Value* fill(Inserter& insert, Value* value, Value* where, double with, ScalarType dtype) {
  return insert.tensor("aten.masked_fill.Scalar", {{"self", value}, {"mask", where}, {"value", with}}, dtype);
}

// The mask that a whole attention adds to its scores, causality included; null: none.
Value* additive_mask(Inserter& insert, const Node& node, Value* distance, ScalarType dtype, Value* onto) {
  if (bool_or(node, "is_causal", false)) onto = fill(insert, onto, compare(insert, "aten.lt.Scalar", distance, 0), -std::numeric_limits<double>::infinity(), dtype);
  Value* mask = node.find_value("attn_mask");
  if (!mask) return onto;
  if (mask->tensor().dtype != ScalarType::boolean) return insert.tensor("aten.add.Tensor", {{"self", mask}, {"other", onto}}, dtype);
  Value* hidden = insert.tensor("aten.logical_not.default", {{"self", mask}}, ScalarType::boolean);
  return fill(insert, onto, hidden, -std::numeric_limits<double>::infinity(), dtype);
}

Value* zeros(Inserter& insert, Value* distance, ScalarType dtype) {
  Value* none = insert.tensor("aten.mul.Scalar", {{"self", distance}, {"other", std::int64_t{0}}}, ScalarType::i64);
  return insert.tensor("aten.to.dtype", {{"self", none}, {"dtype", dtype}}, dtype);
}

void add_window(Graph& graph, const Attention& attention, std::int64_t window) {
  Inserter insert(graph, attention.node);
  ScalarType dtype = dtype_of(attention);
  Value* distance = distances(insert, length_of(insert, attention));
  Value* apart = insert.tensor("aten.abs.default", {{"self", distance}}, ScalarType::i64);
  Value* far = compare(insert, "aten.gt.Scalar", apart, window);
  if (!attention.is_whole) {
    graph.set_argument(attention.node, "self", fill(insert, attention.scores, far, kFar, dtype));
    return;
  }
  Value* band = fill(insert, zeros(insert, distance, dtype), far, kFar, dtype);
  Value* mask = additive_mask(insert, *attention.node, distance, dtype, band);
  graph.set_argument(attention.node, "attn_mask", mask);
  if (bool_or(*attention.node, "is_causal", false)) graph.set_argument(attention.node, "is_causal", false);
}

// Scores below the k-th largest of their row get no weight.
Value* keep_largest(Inserter& insert, Value* scores, const Length& length, std::int64_t k, ScalarType dtype, Graph& graph, Node* at) {
  Argument count = k;
  if (length.dim.is_fixed()) {
    count = std::min(k, length.dim.size);
  } else {
    Node* smaller = graph.insert(at, "torch.sym_min", {{"", as_argument(length.value)}, {"", k}}, {{"sym_min", SymbolType{.expression = {std::min(k, length.dim.size), "Min(" + std::to_string(k) + ", " + length.dim.expression + ")"}}}});
    graph.copy_origin(smaller, at);
    count = smaller->output();
  }
  Node* top = graph.insert(at, "aten.topk.default", {{"self", scores}, {"k", count}, {"dim", std::int64_t{-1}}},
                           {{"topk", TensorType{.dtype = dtype}}, {"topk_indices", TensorType{.dtype = ScalarType::i64}}});
  graph.copy_origin(top, at);
  Value* least = insert.tensor("aten.amin.default", {{"self", top->output(0)}, {"dim", IntList{std::int64_t{-1}}}, {"keepdim", true}}, dtype);
  Value* small = insert.tensor("aten.lt.Tensor", {{"self", scores}, {"other", least}}, ScalarType::boolean);
  return fill(insert, scores, small, kFar, dtype);
}

// scaled_dot_product_attention spelled out, with k keys a row.
void replace_by_top_k(Graph& graph, const Attention& attention, std::int64_t k) {
  Node* node = attention.node;
  Inserter insert(graph, node);
  ScalarType dtype = dtype_of(attention);
  const auto* given = node->find_argument("scale");
  const auto* scale = given ? std::get_if<double>(given) : nullptr;
  Value *query = attention.query, *key = attention.key;
  double factor = scale ? *scale : 1 / std::sqrt(static_cast<double>(query->tensor().sizes.back().size));
  Length length = length_of(insert, attention);
  Value* turned = insert.tensor("aten.transpose.int", {{"self", key}, {"dim0", std::int64_t{-2}}, {"dim1", std::int64_t{-1}}}, dtype);
  Value* scaled = insert.tensor("aten.mul.Scalar", {{"self", query}, {"other", factor}}, dtype);
  Value* scores = insert.tensor("aten.matmul.default", {{"self", scaled}, {"other", turned}}, dtype);
  if (node->find_value("attn_mask") || bool_or(*node, "is_causal", false)) {
    scores = additive_mask(insert, *node, distances(insert, length), dtype, scores);
  }
  scores = keep_largest(insert, scores, length, k, dtype, graph, node);
  Value* shares = insert.tensor("aten.softmax.int", {{"self", scores}, {"dim", std::int64_t{-1}}}, dtype);
  const auto* dropout = node->find_argument("dropout_p");
  if (const auto* p = dropout ? std::get_if<double>(dropout) : nullptr; p && *p > 0) {
    shares = insert.tensor("aten.dropout.default", {{"input", shares}, {"p", *p}, {"train", false}}, dtype);
  }
  Value* result = insert.tensor("aten.matmul.default", {{"self", shares}, {"other", node->find_value("value")}}, dtype);
  graph.replace_uses(node->output(), result);
  graph.erase(node);
}

bool is_grouped(const Attention& attention) { return attention.is_whole && bool_or(*attention.node, "enable_gqa", false); }

void sparsify(Graph& graph, const Attention& attention, const Options& options) {
  if (options.window) return add_window(graph, attention, *options.window);
  if (attention.is_whole) return replace_by_top_k(graph, attention, *options.top_k);
  Inserter insert(graph, attention.node);
  Length length = length_of(insert, attention);
  graph.set_argument(attention.node, "self", keep_largest(insert, attention.scores, length, *options.top_k, dtype_of(attention), graph, attention.node));
}

std::vector<Problem> check(const Model& model, const Options& options) {
  std::vector<std::string> places;
  for (const Attention& attention : find_attention(model.graph)) places.push_back(place_of(*attention.node));
  if (places.empty()) return {{"the model has no self-attention", {}, "remove this step"}};
  std::vector<Problem> problems = check_patterns(options.only, "only", places);
  for (Problem& problem : check_patterns(options.skip, "skip", places)) problems.push_back(std::move(problem));
  return problems;
}

PassResult run(Model& model, const Options& options, PassContext& context) {
  if (auto problems = check(model, options); !problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  PassResult result;
  double changed = 0;
  for (const Attention& attention : selected(model, options)) {
    context.check_cancelled();
    if (options.top_k && is_grouped(attention)) {
      result.notes.push_back(place_of(*attention.node) + " stays: several query heads share a key head");
      continue;
    }
    sparsify(model.graph, attention, options);
    ++changed;
  }
  result.changed = changed > 0;
  if (result.changed) refresh(model);
  result.statistics = {{"attentions_changed", changed, ""}};
  return result;
}

}  // namespace

PassInfo make_restructure_sparsify_attention() {
  return make_pass<Options>({.id = "sparsify_attention",
                             .summary = "Lets each position attend to a window or to its best keys only.",
                             .changes = {Change::structure},
                             .check = check},
                            run);
}

}  // namespace dsc
