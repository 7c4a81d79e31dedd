#include "passes/restructure/block_attention.h"

#include <algorithm>
#include <vector>

#include "ir/dim_expression.h"
#include "ops/arguments.h"
#include "ops/close_attention.h"

namespace dsc::restructure {
namespace {

std::string text_of(const Dim& dim) { return dim.is_fixed() ? std::to_string(dim.size) : dim.expression; }
ScalarType type_of(const Value* value) { return value->tensor().dtype; }

// Two of them still have room.
double no_score(ScalarType dtype) { return dtype == ScalarType::f16 ? -3e4 : kNoScore; }

// Where rows are copies of one, that one.
Value* without_copies(Value* mask) {
  while (mask->producer() && mask->producer()->is("aten.expand.default")) {
    Value* source = mask->producer()->find_value("self");
    if (source->tensor().rank() != mask->tensor().rank()) break;
    mask = source;
  }
  return mask;
}

// Of the first positions, and of those behind them.
Dim first_of(const Dim& length, std::int64_t count) {
  const std::int64_t size = std::min(count, length.size);
  return length.is_fixed() ? Dim{size, {}} : Dim{size, "Min(" + std::to_string(count) + ", " + length.expression + ")"};
}
Dim rest_of(const Dim& length, std::int64_t count) {
  const std::int64_t size = std::max(std::int64_t{0}, length.size - count);
  return length.is_fixed() ? Dim{size, {}} : Dim{size, "Max(0, " + make_dim(1, {length.expression}, -count) + ")"};
}

std::string obstacle_of_sizes(const Value* query, const Value* key, const Value* mask) {
  const std::int64_t rank = query->tensor().rank();
  if (rank != 3 && rank != 4) return "its queries have " + std::to_string(rank) + " dimensions";
  if (rank == 4 && !dim_of(query, 1).is_fixed()) return "its number of heads is open";
  if (is_one(dim_of(key, 0)) != is_one(dim_of(query, 0))) return "its keys are the same for all examples";
  if (mask && (mask->tensor().rank() < 2 || mask->tensor().rank() > rank)) return "its mask has " + std::to_string(mask->tensor().rank()) + " dimensions";
  if (mask && is_one(dim_of(mask, -1))) return "its mask is the same for all keys";
  return {};
}

}  // namespace

class BlockAttention::Builder {
 public:
  Builder(BlockAttention& owner, Node* attention)
      : owner_(owner), window_(owner.window_), node_(*attention), insert_(owner.graph_, attention), query_(node_.find_value("query")),
        is_causal_(bool_or(node_, "is_causal", false)), length_(dim_of(query_, -2)), batch_(dim_of(query_, 0)), places_(find_places()) {}

  Value* build() {
    Value* query = heads_first(query_);
    Value* keys = heads_first(with_heads_of_queries("key"));
    Value* values = heads_first(with_heads_of_queries("value"));
    const Dim heads = dim_of(query, 0), width = dim_of(values, 3);
    Value* result = attend(in_blocks(query, places_.rows, window_.block), in_blocks(keys, places_.flat, places_.keys),
                           in_blocks(values, places_.flat, places_.keys), blocked_mask());
    result = insert_.reshape(result, {heads.size, batch(), std::int64_t{-1}, width.size},
                             {heads, batch_, places_.rows ? dim_of(places_.rows, 0) : length_, width});
    if (places_.rows) result = insert_.slice(result, 2, 0, as_argument(places_.length.value), length_);
    if (window_.globals > 0 && !is_causal_) result = with_global_rows(result, query, keys, values);
    return heads_back(result);
  }

 private:
  const BlockPlaces& find_places() {
    const auto [entry, added] = owner_.places_.try_emplace({text_of(length_), is_causal_});
    if (added) entry->second = make_places(insert_, window_, length_of(insert_.plain(), query_), is_causal_);
    return entry->second;
  }

  Value* with_heads_of_queries(const char* name) {
    Value* given = node_.find_value(name);
    Value* all = with_all_heads(insert_.plain(), node_, given);
    if (all == given) return given;
    TensorType type{.dtype = type_of(given), .sizes = given->tensor().sizes};
    type.sizes.at(1) = dim_of(query_, 1);
    owner_.graph_.set_type(all, std::move(type));
    return all;
  }

  IntOrValue batch() {
    if (!batch_size_) batch_size_ = insert_.size_of(query_, 0);
    return *batch_size_;
  }

  // [N, heads, ..] -> [heads, N, ..]; without heads [N, ..] -> [1, N, ..].
  Value* heads_first(Value* value) {
    if (query_->tensor().rank() == 3) return insert_.unsqueeze(value, 0);
    Sizes sizes = value->tensor().sizes;
    std::swap(sizes[0], sizes[1]);
    return insert_.make("aten.transpose.int", {{"self", value}, {"dim0", std::int64_t{0}}, {"dim1", std::int64_t{1}}}, type_of(value), std::move(sizes));
  }
  Value* heads_back(Value* value) {
    if (query_->tensor().rank() == 4) return heads_first(value);
    Sizes sizes(value->tensor().sizes.begin() + 1, value->tensor().sizes.end());
    return insert_.make("aten.squeeze.dim", {{"self", value}, {"dim", std::int64_t{0}}}, type_of(value), std::move(sizes));
  }

  // [heads, N, length, E] -> [heads, N*blocks, count, E]; positions null: as they lie.
  Value* in_blocks(Value* value, Value* positions, std::int64_t count) {
    if (positions) value = insert_.look_up(value, 2, positions);
    const Dim heads = dim_of(value, 0), width = dim_of(value, 3);
    return insert_.reshape(value, {heads.size, std::int64_t{-1}, count, width.size}, {heads, times(batch_, places_.blocks), {count, {}}, width});
  }

  Value* attend(Value* query, Value* keys, Value* values, Value* mask) {
    std::vector<NamedArgument> arguments = {{"query", query}, {"key", keys}, {"value", values}};
    if (mask) arguments.push_back({"attn_mask", mask});
    for (const char* name : {"dropout_p", "scale"}) {
      if (is_given(node_, name)) arguments.push_back({name, *node_.find_argument(name), true});
    }
    Sizes sizes = query->tensor().sizes;
    sizes[3] = dim_of(values, 3);
    return insert_.make("aten.scaled_dot_product_attention.default", std::move(arguments), type_of(query), std::move(sizes));
  }

  // [heads or 1, N or 1, rows or 1, length]; null: the model has none.
  Value* whole_mask() {
    Value* mask = node_.find_value("attn_mask");
    if (!mask) return nullptr;
    mask = without_copies(mask);
    while (mask->tensor().rank() < query_->tensor().rank()) mask = insert_.unsqueeze(mask, 0);
    return heads_first(mask);
  }

  Value* blocked_mask() {
    const auto [entry, added] = owner_.masks_.try_emplace({node_.find_value("attn_mask"), &places_, text_of(batch_), type_of(query_)});
    if (added) entry->second = make_mask();
    return entry->second;
  }

  Value* make_mask() {
    const ScalarType dtype = type_of(query_);
    const Dim block{window_.block, {}}, keys{places_.keys, {}};
    Value* scores = nullptr;  // [heads or 1, N or 1, blocks, block, keys]
    if (Value* whole = whole_mask()) {
      Value* parts = as_scores(is_one(dim_of(whole, 2)) ? parts_of_keys(whole) : parts_of_pairs(whole));
      scores = insert_.make("aten.masked_fill.Scalar", {{"self", parts}, {"mask", places_.hidden}, {"value", no_score(dtype)}}, dtype,
                            {dim_of(parts, 0), dim_of(parts, 1), places_.blocks, block, keys});
    } else {
      scores = insert_.unsqueeze(insert_.unsqueeze(scores_where(places_.hidden), 0), 0);
    }
    constexpr std::int64_t kSame = -1;
    const Dim heads = dim_of(scores, 0);
    if (is_one(dim_of(scores, 1)) && !is_one(batch_)) scores = insert_.expand(scores, {kSame, batch(), kSame, kSame, kSame}, {heads, batch_, places_.blocks, block, keys});
    return insert_.reshape(scores, {heads.size, std::int64_t{-1}, window_.block, places_.keys}, {heads, times(batch_, places_.blocks), block, keys});
  }

  Value* scores_where(Value* hidden) {
    const ScalarType dtype = type_of(query_);
    Value* number = insert_.make("aten.to.dtype", {{"self", hidden}, {"dtype", dtype}}, dtype, hidden->tensor().sizes);
    return insert_.with_number("aten.mul.Scalar", number, no_score(dtype), dtype);
  }
  // A mask in numbers that are added, none too low for another one on top; of booleans, true is shown.
  Value* as_scores(Value* mask) {
    const Sizes& sizes = mask->tensor().sizes;
    if (type_of(mask) == ScalarType::boolean) return scores_where(insert_.make("aten.logical_not.default", {{"self", mask}}, ScalarType::boolean, sizes));
    return insert_.make("aten.clamp.default", {{"self", mask}, {"min", no_score(type_of(mask))}}, type_of(mask), sizes);
  }

  // The same for all rows: [.., .., 1, length] -> [.., .., blocks, 1, keys].
  Value* parts_of_keys(Value* whole) {
    const Dim heads = dim_of(whole, 0), batch = dim_of(whole, 1), one{1, {}};
    return insert_.reshape(insert_.look_up(whole, 3, places_.flat), {heads.size, insert_.size_of(whole, 1), std::int64_t{-1}, std::int64_t{1}, places_.keys},
                           {heads, batch, places_.blocks, one, {places_.keys, {}}});
  }

  // A row for each query: [.., .., length, length] -> [.., .., blocks, block, keys].
  Value* parts_of_pairs(Value* whole) {
    const Dim heads = dim_of(whole, 0), batch = dim_of(whole, 1), block{window_.block, {}}, keys{places_.keys, {}};
    const IntOrValue examples = insert_.size_of(whole, 1);
    Value* rows = places_.rows ? insert_.look_up(whole, 2, places_.rows) : whole;
    rows = insert_.reshape(rows, {heads.size, examples, std::int64_t{-1}, window_.block, places_.length.value}, {heads, batch, places_.blocks, block, length_});
    Value* columns = insert_.unsqueeze(insert_.unsqueeze(insert_.unsqueeze(places_.columns, 1), 0), 0);
    columns = insert_.expand(columns, {heads.size, examples, std::int64_t{-1}, window_.block, std::int64_t{-1}}, {heads, batch, places_.blocks, block, keys});
    return insert_.make("aten.gather.default", {{"self", rows}, {"dim", std::int64_t{-1}}, {"index", columns}}, type_of(whole), columns->tensor().sizes);
  }

  // The first positions attend to all; what the blocks made of them goes.
  Value* with_global_rows(Value* result, Value* query, Value* keys, Value* values) {
    const auto first = [&](Value* value) { return insert_.slice(value, 2, 0, window_.globals, first_of(length_, window_.globals)); };
    Value* mask = whole_mask();
    if (mask && !is_one(dim_of(mask, 2))) mask = first(mask);
    Value* global = attend(first(query), keys, values, mask ? as_scores(mask) : nullptr);
    Value* others = insert_.slice(result, 2, window_.globals, as_argument(places_.length.value), rest_of(length_, window_.globals));
    return insert_.concatenate(global, others, 2, length_);
  }

  BlockAttention& owner_;
  const Window& window_;
  const Node& node_;
  SizedInserter insert_;
  Value* query_;
  bool is_causal_;
  Dim length_, batch_;
  const BlockPlaces& places_;
  std::optional<IntOrValue> batch_size_;
};

std::string obstacle_to_blocks(const Attention& attention, const Window& window) {
  std::string why;
  const auto spelled = attention.is_whole ? std::nullopt : read_attention(attention, why);
  if (!why.empty()) return why;
  const Value* query = spelled ? spelled->scores->find_value("self") : attention.node->find_value("query");
  const Value* mask = spelled ? spelled->mask : attention.node->find_value("attn_mask");
  if (why = obstacle_of_sizes(query, spelled ? query : attention.node->find_value("key"), mask); !why.empty()) return why;
  const Dim& length = dim_of(query, -2);
  const std::int64_t keys = keys_of_block(window, attention.is_whole && bool_or(*attention.node, "is_causal", false));
  if (!length.is_fixed() || length.size > keys) return {};
  return "its " + std::to_string(length.size) + " positions are no more than the " + std::to_string(keys) + " keys of a block";
}

void BlockAttention::rewrite(const Attention& attention) {
  std::string why;
  Node* node = attention.is_whole ? attention.node : close_attention(graph_, *read_attention(attention, why));
  Value* result = Builder(*this, node).build();
  graph_.replace_uses(node->output(), result);
  graph_.erase(node);
}

}  // namespace dsc::restructure
