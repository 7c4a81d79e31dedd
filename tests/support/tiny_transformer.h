// A small encoder over token ids, normalised after its adds, with modules named as exporters name them.
#pragma once

#include <algorithm>
#include <string>

#include "support/tiny_models.h"

namespace dsc::test {

struct TransformerSizes {
  std::int64_t layers = 2, width = 8, heads = 2, vocabulary = 11, length = 6, classes = 3;
  double dropout = 0;  // of attention probabilities
};

inline Value* layer_norm(ModelBuilder& build, Value* x, const std::string& name, std::int64_t length, std::int64_t width) {
  auto* w = build.weight(InputKind::parameter, "p_", name + ".weight", at::ones({width}));
  auto* b = build.parameter(name + ".bias", {width}, 0);
  return build.node("aten.layer_norm.default", {{"input", x}, {"normalized_shape", IntList{width}}, {"weight", w}, {"bias", b}}, {length, width}, name, "torch.nn.modules.normalization.LayerNorm");
}

// x [N, length, in] -> [N, length, out].
inline Value* token_linear(ModelBuilder& build, Value* x, const std::string& name, std::int64_t length, std::int64_t in, std::int64_t out) {
  auto* w = build.parameter(name + ".weight", {out, in}, in);
  auto* b = build.parameter(name + ".bias", {out}, 0);
  return build.node("aten.linear.default", {{"input", x}, {"weight", w}, {"bias", b}}, {length, out}, name, "torch.nn.modules.linear.Linear");
}

inline Value* encoder_layer(ModelBuilder& build, Value* x, Value* visible, const std::string& name, const TransformerSizes& s) {
  const auto size = s.width / s.heads;
  const auto split = [&](const std::string& what) {
    auto* y = token_linear(build, x, name + ".attention." + what, s.length, s.width, s.width);
    y = build.node("aten.view.default", {{"self", y}, {"size", IntList{std::int64_t{-1}, s.length, s.heads, size}}}, {s.length, s.heads, size}, name + ".attention");
    return build.node("aten.transpose.int", {{"self", y}, {"dim0", std::int64_t{1}}, {"dim1", std::int64_t{2}}}, {s.heads, s.length, size}, name + ".attention");
  };
  auto *q = split("query"), *k = split("key"), *v = split("value");
  auto* y = build.node("aten.scaled_dot_product_attention.default", {{"query", q}, {"key", k}, {"value", v}, {"attn_mask", visible}, {"dropout_p", s.dropout}},
                       {s.heads, s.length, size}, name + ".attention");
  y = build.node("aten.transpose.int", {{"self", y}, {"dim0", std::int64_t{1}}, {"dim1", std::int64_t{2}}}, {s.length, s.heads, size}, name + ".attention");
  y = build.node("aten.reshape.default", {{"self", y}, {"shape", IntList{std::int64_t{-1}, s.length, s.width}}}, {s.length, s.width}, name + ".attention");
  y = token_linear(build, y, name + ".attention.output", s.length, s.width, s.width);
  y = build.node("aten.add.Tensor", {{"self", y}, {"other", x}}, {s.length, s.width}, name);
  auto* middle = layer_norm(build, y, name + ".norm1", s.length, s.width);
  y = token_linear(build, middle, name + ".up", s.length, s.width, 2 * s.width);
  y = build.node("aten.gelu.default", {{"self", y}}, {s.length, 2 * s.width}, name);
  y = token_linear(build, y, name + ".down", s.length, 2 * s.width, s.width);
  y = build.node("aten.add.Tensor", {{"self", y}, {"other", middle}}, {s.length, s.width}, name);
  return layer_norm(build, y, name + ".norm2", s.length, s.width);
}

// ids [N, length], mask [N, length] (1: a token, 0: padding) -> scores [N, classes].
inline Model tiny_transformer(std::uint64_t seed = 1, const TransformerSizes& s = {}) {
  ModelBuilder build(seed);
  auto* ids = build.input("ids", {s.length}, ScalarType::i64);
  auto* mask = build.input("mask", {s.length}, ScalarType::i64);
  auto* visible = build.node("aten.view.default", {{"self", mask}, {"size", IntList{std::int64_t{-1}, std::int64_t{1}, std::int64_t{1}, s.length}}}, {1, 1, s.length});
  build.graph().set_type(visible, TensorType{.dtype = ScalarType::i64, .sizes = visible->tensor().sizes});
  visible = build.node("aten.gt.Scalar", {{"self", visible}, {"other", std::int64_t{0}}}, {1, 1, s.length});
  build.graph().set_type(visible, TensorType{.dtype = ScalarType::boolean, .sizes = visible->tensor().sizes});
  auto* words = build.parameter("embeddings.words.weight", {s.vocabulary, s.width}, 2);
  auto* x = build.node("aten.embedding.default", {{"weight", words}, {"indices", ids}}, {s.length, s.width}, "embeddings.words", "torch.nn.modules.sparse.Embedding");
  x = layer_norm(build, x, "embeddings.norm", s.length, s.width);
  for (std::int64_t i = 0; i < s.layers; ++i) x = encoder_layer(build, x, visible, "encoder.layer." + std::to_string(i), s);
  auto* first = build.node("aten.select.int", {{"self", x}, {"dim", std::int64_t{1}}, {"index", std::int64_t{0}}}, {s.width});
  return build.finish(build.linear(first, "classifier", s.width, s.classes));
}

// Sentences of random ids, the class being the sum of the first two; the last position is padding in every second one.
class TokenDataset : public Dataset {
 public:
  TokenDataset(std::int64_t examples, std::uint64_t seed, const TransformerSizes& s = {}) {
    ids_ = at::empty({examples, s.length}, at::kLong);
    mask_ = at::ones({examples, s.length}, at::kLong);
    Random random(seed);
    for (std::int64_t i = 0; i < ids_.numel(); ++i) ids_.data_ptr<std::int64_t>()[i] = random.below(s.vocabulary);
    for (std::int64_t i = 1; i < examples; i += 2) mask_[i][s.length - 1] = 0;
    target_ = (ids_.select(1, 0) + ids_.select(1, 1)).remainder(s.classes);
    info_.description = "tokens, " + std::to_string(examples) + " examples";
    info_.inputs = {TensorType{.dtype = ScalarType::i64, .sizes = {{s.length, ""}}}, TensorType{.dtype = ScalarType::i64, .sizes = {{s.length, ""}}}};
    info_.input_names = {"ids", "mask"};
    info_.classes = s.classes;
  }
  std::int64_t size() const override { return ids_.size(0); }
  const DatasetInfo& info() const override { return info_; }
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t>) const override {
    Batch made;
    made.indices.assign(indices.begin(), indices.end());
    const auto rows = at::tensor(made.indices, at::kLong);
    made.inputs = {ids_.index_select(0, rows), mask_.index_select(0, rows)};
    made.target = target_.index_select(0, rows);
    return made;
  }

 protected:
  at::Tensor ids_, mask_, target_;
  DatasetInfo info_;
};

}  // namespace dsc::test
