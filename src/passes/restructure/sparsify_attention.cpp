// sparsify_attention: lets each position attend to a window around it, or to its k best keys.
//
//   before  %y = scaled_dot_product_attention(%q, %k, %v)     after  products of blocks (block_attention.h), or
//                                                                    %band: positions further apart than `window` get -1e9
//                                                                    %y = scaled_dot_product_attention(%q, %k, %v, %band)
//   before  %p = softmax(%scores)                             after  %p = softmax(%scores where they are among the row's k largest)
//
// A rewrite in standard operators: exported, deployed and trained like the rest. Equal to the original when the window (or k)
// is no smaller than the sequence. Leaves alone: attention between different lengths, softmaxes that are no attention.
// Blocks save the work outside the window in every engine; a mask, and k best keys, save none: all scores are computed.
// A mask is made where `form` asks for it and where there are no blocks to make, which the notes say.
// Sources: Beltagy et al. 2020 (arXiv:2004.05150, windows); Gupta et al. 2021 (arXiv:2106.06899, top-k).
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/pass.h"
#include "ops/arguments.h"
#include "ops/attention_patterns.h"
#include "ops/cost.h"
#include "ops/insert.h"
#include "ops/open_attention.h"
#include "passes/restructure/block_attention.h"
#include "passes/restructure/rewrite.h"

namespace dsc {
namespace {

using namespace restructure;

enum class Form : std::uint8_t { blocks, mask };
std::span<const std::string_view> enum_names(Form) {
  static constexpr std::string_view kNames[] = {"blocks", "mask"};
  return kNames;
}

struct Options {
  std::optional<std::int64_t> window, top_k;
  std::int64_t globals = 0, block = 64;
  Form form = Form::blocks;
  std::vector<std::string> only, skip;

  void fields(FieldVisitor& visit) {
    visit("window", window, {.text = "Positions to each side that one attends to.", .unit = "positions", .minimum = 0});
    visit("globals", globals, {.text = "Of a window: the first positions, which attend to all and are attended to by all, such as a class token.", .unit = "positions", .minimum = 0});
    visit("form", form, {.text = "How a window is computed. blocks: faster than the whole beyond block + 2 * window positions; mask: masked, for models that "
                                 "generate text with a cache."});
    visit("block", block, {.text = "Positions that share their keys in a product.", .unit = "positions", .minimum = 1});
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

// What tells the number of positions, as the graph is now: an attention before this one may have been replaced.
Value* positions_of(const Attention& attention) { return attention.is_whole ? attention.node->find_value("query") : attention.scores; }
ScalarType dtype_of(const Attention& attention) { return positions_of(attention)->tensor().dtype; }

Value* zeros(Inserter& insert, Value* distance, ScalarType dtype) {
  Value* none = insert.tensor("aten.mul.Scalar", {{"self", distance}, {"other", std::int64_t{0}}}, ScalarType::i64);
  return insert.tensor("aten.to.dtype", {{"self", none}, {"dtype", dtype}}, dtype);
}

// bool [positions, positions]: further apart than the window reaches, and neither is global.
Value* outside(Inserter& insert, Value* distance, const Length& length, const Options& options) {
  Value* apart = insert.tensor("aten.abs.default", {{"self", distance}}, ScalarType::i64);
  Value* far = compare(insert, "aten.gt.Scalar", apart, *options.window);
  if (options.globals == 0) return far;
  Value* positions = insert.tensor("aten.arange.default", {{"end", as_argument(length.value)}}, ScalarType::i64);
  Value* columns = compare(insert, "aten.ge.Scalar", positions, options.globals);
  Value* rows = insert.tensor("aten.unsqueeze.default", {{"self", columns}, {"dim", std::int64_t{1}}}, ScalarType::boolean);
  Value* local = insert.tensor("aten.logical_and.default", {{"self", rows}, {"other", columns}}, ScalarType::boolean);
  return insert.tensor("aten.logical_and.default", {{"self", far}, {"other", local}}, ScalarType::boolean);
}

void add_window(Graph& graph, const Attention& attention, const Options& options) {
  Inserter insert(graph, attention.node);
  ScalarType dtype = dtype_of(attention);
  const Length length = length_of(insert, positions_of(attention));
  Value* distance = distances(insert, length);
  Value* far = outside(insert, distance, length, options);
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
  Value* query = attention.node->find_value("query");
  Node* softmax = attention.is_whole ? open_attention(graph, attention.node).softmax : attention.node;
  Value* scores = softmax->find_value("self");
  Inserter insert(graph, softmax);
  const Length length = length_of(insert, attention.is_whole ? query : scores);
  graph.set_argument(softmax, "self", keep_largest(insert, scores, length, k, dtype, graph, softmax));
}

// How many were changed in which form, and why a mask had to do.
class Sparsifier {
 public:
  Sparsifier(Graph& graph, const Options& options) : graph_(graph), options_(options), window_{options.window.value_or(0), options.globals, options.block}, blocks_(graph, window_) {}

  void sparsify(const Attention& attention) {
    ++changed_;
    if (options_.top_k) return keep_best_keys(graph_, attention, *options_.top_k);
    if (options_.form == Form::mask) return add_window(graph_, attention, options_);
    const std::string why = obstacle_to_blocks(attention, window_);
    if (!why.empty()) {
      notes_.push_back(place_of(*attention.node) + " gets its window by a mask, which saves no time: " + why);
      return add_window(graph_, attention, options_);
    }
    if (++in_blocks_ == 1) note_short_example(attention);
    blocks_.rewrite(attention);
  }

  PassResult result() const {
    PassResult result;
    result.changed = changed_ > 0;
    result.statistics = {{"attentions_changed", static_cast<double>(changed_), ""}};
    if (options_.window) result.statistics.push_back({"attentions_in_blocks", static_cast<double>(in_blocks_), ""});
    result.notes = notes_;
    return result;
  }

 private:
  // Costs and latencies in the report are those of the example's length.
  void note_short_example(const Attention& attention) {
    const Value* value = positions_of(attention);
    const std::int64_t length = value->tensor().sizes.at(value->tensor().sizes.size() - 2).size;
    const std::int64_t keys = keys_of_block(window_, attention.is_whole && bool_or(*attention.node, "is_causal", false));
    if (length > keys) return;
    notes_.push_back("blocks save work for more than " + std::to_string(keys) + " positions; the example's " + std::to_string(length) + " cost more than before");
  }

  Graph& graph_;
  const Options& options_;
  restructure::Window window_;
  BlockAttention blocks_;
  std::int64_t changed_ = 0, in_blocks_ = 0;
  std::vector<std::string> notes_;
};

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
  const double before = model_cost(model).macs;
  Sparsifier sparsifier(model.graph, options);
  for (const Attention& attention : selected(model, options)) {
    context.check_cancelled();
    sparsifier.sparsify(attention);
  }
  PassResult result = sparsifier.result();
  if (!result.changed) return result;
  refresh(model);
  if (options.window) result.statistics.push_back({"macs_reduction", 1 - model_cost(model).macs / before, "fraction"});
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
