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
#include <optional>
#include <string>
#include <vector>

#include "dscompress/pass.h"
#include "ops/arguments.h"
#include "ops/attention_patterns.h"
#include "ops/insert.h"
#include "ops/open_attention.h"
#include "passes/restructure/rewrite.h"

namespace dsc {
namespace {

using namespace restructure;

struct Options {
  std::optional<std::int64_t> window, top_k;
  std::vector<std::string> only, skip;

  void fields(FieldVisitor& visit) {
    visit("window", window, {.text = "Positions to each side that one attends to.", .unit = "positions", .minimum = 0});
    visit("top_k", top_k, {.text = "Keys that each position attends to: those with the highest scores.", .unit = "positions", .minimum = 1});
    visit("only", only, {.text = "Module globs of the attentions to change; empty: all."});
    visit("skip", skip, {.text = "Module globs of attentions to leave alone."});
    visit.one_of("sparsify_attention", {{"window", window.has_value()}, {"top_k", top_k.has_value()}});
  }
};

std::vector<Attention> selected(const Model& model, const Options& options) {
  std::vector<Attention> found = find_attention(model.graph);
  std::erase_if(found, [&](const Attention& attention) { return !is_selected(place_of(*attention.node), options.only, options.skip); });
  return found;
}

ScalarType dtype_of(const Attention& attention) { return (attention.is_whole ? attention.query : attention.scores)->tensor().dtype; }

Value* zeros(Inserter& insert, Value* distance, ScalarType dtype) {
  Value* none = insert.tensor("aten.mul.Scalar", {{"self", distance}, {"other", std::int64_t{0}}}, ScalarType::i64);
  return insert.tensor("aten.to.dtype", {{"self", none}, {"dtype", dtype}}, dtype);
}

void add_window(Graph& graph, const Attention& attention, std::int64_t window) {
  Inserter insert(graph, attention.node);
  ScalarType dtype = dtype_of(attention);
  Value* distance = distances(insert, length_of(insert, attention.is_whole ? attention.query : attention.scores));
  Value* apart = insert.tensor("aten.abs.default", {{"self", distance}}, ScalarType::i64);
  Value* far = compare(insert, "aten.gt.Scalar", apart, window);
  if (!attention.is_whole) {
    graph.set_argument(attention.node, "self", fill(insert, attention.scores, far, kNoScore, dtype));
    return;
  }
  Value* band = fill(insert, zeros(insert, distance, dtype), far, kNoScore, dtype);
  Value* mask = add_mask(insert, *attention.node, distance, dtype, band);
  graph.set_argument(attention.node, "attn_mask", mask);
  if (bool_or(*attention.node, "is_causal", false)) graph.set_argument(attention.node, "is_causal", false);
}

// Scores below the k-th largest of their row get no weight.
Value* keep_largest(Inserter& insert, Value* scores, const Length& length, std::int64_t k, ScalarType dtype, Graph& graph, Node* at) {
  Argument count = k;
  if (length.dim.is_fixed()) {
    count = std::min(k, length.dim.size);
  } else {
    Node* smaller = graph.insert(
        at, "torch.sym_min", {{"", as_argument(length.value)}, {"", k}},
        {{"sym_min", SymbolType{.expression = {std::min(k, length.dim.size), "Min(" + std::to_string(k) + ", " + length.dim.expression + ")"}}}});
    graph.copy_origin(smaller, at);
    count = smaller->output();
  }
  Node* top = graph.insert(at, "aten.topk.default", {{"self", scores}, {"k", count}, {"dim", std::int64_t{-1}}},
                           {{"topk", TensorType{.dtype = dtype}}, {"topk_indices", TensorType{.dtype = ScalarType::i64}}});
  graph.copy_origin(top, at);
  Value* least = insert.tensor("aten.amin.default", {{"self", top->output(0)}, {"dim", IntList{std::int64_t{-1}}}, {"keepdim", true}}, dtype);
  Value* small = insert.tensor("aten.lt.Tensor", {{"self", scores}, {"other", least}}, ScalarType::boolean);
  return fill(insert, scores, small, kNoScore, dtype);
}

// The k largest scores of each row; a whole attention is spelled out for it.
void keep_best_keys(Graph& graph, const Attention& attention, std::int64_t k) {
  const ScalarType dtype = dtype_of(attention);
  Node* softmax = attention.is_whole ? open_attention(graph, attention.node).softmax : attention.node;
  Value* scores = softmax->find_value("self");
  Inserter insert(graph, softmax);
  const Length length = length_of(insert, attention.is_whole ? attention.query : scores);
  graph.set_argument(softmax, "self", keep_largest(insert, scores, length, k, dtype, graph, softmax));
}

void sparsify(Graph& graph, const Attention& attention, const Options& options) {
  if (options.window) add_window(graph, attention, *options.window);
  else keep_best_keys(graph, attention, *options.top_k);
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
