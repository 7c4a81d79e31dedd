// Scaled dot-product attention: query [.., Hq, L, E], key [.., Hk, S, E], value [.., Hk, S, Ev], mask broadcast to
// [.., Hq, L, S]. With enable_gqa each key head serves Hq / Hk query heads in a row.
#include <cmath>

#include "ops/arguments.h"
#include "ops/op_info.h"

namespace dsc {
namespace {

struct Operands {
  const Value* query;
  const Value* key;
  const Value* value;
  const Value* mask;
};

Operands operands_of(const Node& node) {
  return {node.find_value("query"), node.find_value("key"), node.find_value("value"), node.find_value("attn_mask")};
}

void tie_attention(Ties& ties, const Node& node) {
  Operands in = operands_of(node);
  Axes query = ties.axes(in.query), key = ties.axes(in.key), value = ties.axes(in.value);
  std::size_t last = query.size() - 1;
  ties.tie(query[last], key.back());
  ties.tie(key[key.size() - 2], value[value.size() - 2]);
  ties.keep(key[key.size() - 2], "softmax runs over these positions");
  if (bool_or(node, "is_causal", false)) ties.keep(query[last - 1], "causal mask over positions");
  Axes result = query;
  result[last] = value.back();
  if (query.size() > 2 && bool_or(node, "enable_gqa", false) && query[last - 2].size != key[key.size() - 3].size) {
    const Axis& key_heads = key[key.size() - 3];
    Axes heads = ties.split(query[last - 2], {key_heads.size, query[last - 2].size / key_heads.size});
    if (key_heads.size > 1) ties.tie(heads[0], key_heads);
    ties.tie(key_heads, value[value.size() - 3]);
    for (std::size_t d = 0; d + 2 < last; ++d) {
      ties.tie(query[d], key[d]);
      ties.tie(query[d], value[d]);
    }
  } else {
    Axes of_query(query.begin(), query.end() - 2), of_key(key.begin(), key.end() - 2), of_value(value.begin(), value.end() - 2);
    std::vector<Dim> batch = ties.dims(node.output());
    batch.resize(batch.size() - 2);
    Axes joined = ties.broadcast({of_query, of_key, of_value}, batch);
    std::copy(joined.begin(), joined.end(), result.begin());
  }
  if (in.mask) {
    Axes scores = result;
    scores[last] = key[key.size() - 2];
    std::vector<Dim> dims = ties.dims(node.output());
    dims[last] = ties.dims(in.key)[key.size() - 2];
    ties.broadcast({scores, ties.axes(in.mask)}, dims);
  }
  ties.define(node.output(), std::move(result));
  for (std::size_t i = 1; i < node.outputs().size(); ++i) {
    if (node.output(i)->is_tensor()) ties.define(node.output(i), ties.broadcast({}, ties.dims(node.output(i))));
  }
}

// The default scale is 1 / sqrt(E): with a shorter E the old one must be written out.
void resize_attention(Resizer& resizer, Node& node) {
  Operands in = operands_of(node);
  std::int64_t last = in.query->tensor().rank() - 1;
  if (!resizer.is_changed(in.query, last) || is_given(node, "scale")) return;
  resizer.graph().set_argument(&node, "scale", 1.0 / std::sqrt(static_cast<double>(resizer.old_size(in.query, last))));
}

double macs_attention(const Node& node, const SizeOf& size) {
  Operands in = operands_of(node);
  std::int64_t rank = in.query->tensor().rank();
  double rows = 1;
  for (std::int64_t d = 0; d + 1 < rank; ++d) rows *= size(in.query, d);
  return rows * size(in.key, in.key->tensor().rank() - 2) * (size(in.query, rank - 1) + size(in.value, in.value->tensor().rank() - 1));
}

constexpr QuantArguments kAttention{QuantKind::attention, "query", "key", -1};

constexpr OpTraits kShowsByMask{.mask = {MaskUse::shows, "attn_mask"}};

constexpr OpInfo kAttentionOps[] = {
    {"aten.scaled_dot_product_attention", tie_attention, resize_attention, macs_attention, kShowsByMask, &kAttention},
    {"aten._scaled_dot_product_flash_attention_for_cpu", tie_attention, resize_attention, macs_attention},
};

}  // namespace

std::span<const OpInfo> attention_ops() { return kAttentionOps; }

}  // namespace dsc
