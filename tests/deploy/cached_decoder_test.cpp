// A decoder that goes on from keys and values: LibTorch on the rewritten graph, piece by piece, against LibTorch on whole
// sequences; and what must be refused.
#include "deploy/cached_decoder.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "deploy/language_models.h"
#include "deploy/text_model.h"
#include "exec/executor.h"
#include "io/pt2.h"
#include "support/data_folder.h"
#include "support/error_of.h"

namespace dsc {
namespace {

// Calls the decoder with `pieces` tokens at a time. positions: [batch, length] or undefined, where tokens are.
at::Tensor run_in_pieces(const CachedDecoder& decoder, const at::Tensor& ids, const at::Tensor& mask, const std::vector<std::int64_t>& pieces, const at::Tensor& positions) {
  Executor executor(decoder.model, {});
  std::vector<at::Tensor> caches, logits;
  std::int64_t done = 0;
  for (const std::int64_t count : pieces) {
    std::vector<at::Tensor> inputs;
    std::size_t cache = 0;
    for (const GraphInput& input : decoder.model.graph.inputs()) {
      if (input.kind != InputKind::user) continue;
      const auto& sizes = input.value->tensor().sizes;
      if (input.target == "input_ids") inputs.push_back(ids.narrow(1, done, count));
      else if (input.target == "attention_mask") inputs.push_back(mask.narrow(1, 0, done + count));
      else if (input.target == "position_ids") inputs.push_back(positions.narrow(1, done, count));
      else if (input.target == "beam_idx") inputs.push_back(at::arange(ids.size(0), at::kInt));
      else if (caches.empty() || done == 0) inputs.push_back(at::zeros({ids.size(0), sizes[1].size, 0, sizes[3].size}));
      else inputs.push_back(caches.at(cache++));
    }
    auto outputs = executor.run(inputs);
    logits.push_back(outputs.front());
    caches.assign(outputs.begin() + 1, outputs.end());
    EXPECT_EQ(caches.size(), decoder.caches);
    done += count;
  }
  return at::cat(logits, 1);
}

at::Tensor counted(const at::Tensor& ids) { return at::arange(ids.size(1), at::kLong).unsqueeze(0).expand_as(ids); }

class CachedDecoders : public testing::TestWithParam<const char*> {};

TEST_P(CachedDecoders, PiecesGiveWhatTheWholeSequenceGives) {
  const auto recorded = test::read_recorded(GetParam());
  const at::Tensor ids = at::cat({recorded.prompts, recorded.tokens}, 1), mask = at::ones_like(ids);
  const at::Tensor whole = Executor(recorded.model, {}).run({ids, mask}).front();
  const auto decoder = to_cached_decoder(recorded.model);
  for (const auto& pieces : {std::vector<std::int64_t>{29}, {5, 1, 1, 1, 21}, {1, 1, 7, 12, 8}}) {
    EXPECT_LT((run_in_pieces(decoder, ids, mask, pieces, counted(ids)) - whole).abs().max().item<double>(), 2e-5);
  }
}

// Padding on the left, as generation of several prompts gives it, with positions counted from the first real token: each row
// is what it would be alone.
TEST_P(CachedDecoders, PaddedRowsAreWhatTheyWouldBeAlone) {
  const auto recorded = test::read_recorded(GetParam());
  constexpr std::int64_t kPadding = 3;
  const at::Tensor alone = at::cat({recorded.prompts, recorded.tokens}, 1).narrow(0, 0, 1);
  const at::Tensor whole = Executor(recorded.model, {}).run({alone, at::ones_like(alone)}).front();
  const at::Tensor row = at::cat({at::zeros({1, kPadding}, at::kLong), alone}, 1), other = at::full_like(row, 7);
  const at::Tensor ids = at::cat({row, other}), mask = at::cat({(at::arange(row.size(1)) >= kPadding).to(at::kLong).unsqueeze(0), at::ones_like(row)});
  const at::Tensor positions = (mask.cumsum(1) - 1).clamp_min(0);
  const at::Tensor logits = run_in_pieces(to_cached_decoder(recorded.model), ids, mask, {10, 1, 1, row.size(1) - 12}, positions);
  EXPECT_LT((logits[0].narrow(0, kPadding, alone.size(1)) - whole[0]).abs().max().item<double>(), 2e-5);
}

TEST_P(CachedDecoders, KeysAreKeptOnceForTheQueriesThatShareThem) {
  const auto decoder = to_cached_decoder(test::read_recorded(GetParam()).model);
  EXPECT_EQ(decoder.caches, 4U);  // keys and values of two layers
  for (const GraphInput& input : decoder.model.graph.inputs()) {
    if (!input.target.starts_with("past_key_values.")) continue;
    EXPECT_EQ(input.value->tensor().sizes[1].size, 2) << input.target;  // heads; four ask
    EXPECT_EQ(input.value->tensor().sizes[3].size, 4) << input.target;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, CachedDecoders, testing::Values("llama", "qwen3", "gemma3"));

// A model without a mask of its own (stories260k looks for packed sequences in its positions) obeys the mask all the same.
TEST(CachedDecoder, AGraphWithoutMaskLearnsToLeavePaddingOut) {
  const auto path = test::data_file("stories260k/stories260k.pt2");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << test::data_missing(path);
  const Model model = read_pt2(path);
  const at::Tensor alone = at::tensor({1, 403, 407, 261, 378, 432}, at::kLong).unsqueeze(0);
  const at::Tensor whole = Executor(model, {}).run({alone}).front();
  const at::Tensor ids = at::cat({at::zeros({1, 2}, at::kLong), alone}, 1), mask = (at::arange(8) >= 2).to(at::kLong).unsqueeze(0);
  const at::Tensor logits = run_in_pieces(to_cached_decoder(model), ids, mask, {4, 1, 3}, (mask.cumsum(1) - 1).clamp_min(0));
  EXPECT_LT((logits[0].narrow(0, 2, 6) - whole[0]).abs().max().item<double>(), 1e-4);
}

// One attention layer over embeddings, with something put in.
std::string layer(const std::string& before, const std::string& attention, const std::string& after = {}) {
  return R"text(graph {
  param %table "table": f32[11, 8]
  param %head "head": f32[11, 8]
  param %filter "filter": f32[8, 1, 3]
  input %input_ids: i64[b{2}, s{6}]
  %batch: sym_int b{2} = aten.sym_size.int(self=%input_ids, dim=0)
  %length: sym_int s{6} = aten.sym_size.int(self=%input_ids, dim=1)
  %x: f32[b{2}, s{6}, 8] = aten.embedding.default(weight=%table, indices=%input_ids)
)text" + before + R"text(
  %heads: f32[b{2}, s{6}, 2, 4] = aten.view.default(self=%x, size=[%batch, %length, 2, 4])
  %q: f32[b{2}, 2, s{6}, 4] = aten.transpose.int(self=%heads, dim0=1, dim1=2)
  %a: f32[b{2}, 2, s{6}, 4] = )text" + attention + R"text(
  %t: f32[b{2}, s{6}, 2, 4] = aten.transpose.int(self=%a, dim0=1, dim1=2)
  %y: f32[b{2}, s{6}, 8] = aten.reshape.default(self=%t, shape=[%batch, %length, 8])
)text" + after + R"text(
  %scores: f32[b{2}, s{6}, 11] = aten.linear.default(input=%y, weight=%head)
  output %scores
})text";
}

constexpr const char* kCausal = "aten.scaled_dot_product_attention.default(query=%q, key=%q, value=%q, is_causal=true)";

TEST(CachedDecoder, CausalityWithoutAMaskIsKept) {
  const Model model = test::text_model(layer("", kCausal));
  const at::Tensor ids = at::tensor({1, 5, 2, 9, 3, 3, 7, 10, 0, 4}, at::kLong).view({2, 5});
  const at::Tensor whole = Executor(model, {}).run({ids}).front();
  EXPECT_LT((run_in_pieces(to_cached_decoder(model), ids, at::ones_like(ids), {2, 1, 2}, {}) - whole).abs().max().item<double>(), 1e-6);
}

struct Refused {
  const char* what;
  std::string text;
  const char* node;    // that the message names
  const char* reason;
};

TEST(CachedDecoder, WhatItCannotGoOnWithIsRefusedByName) {
  const std::string mask = "  %seen: bool[b{2}, s{6}] = aten.ne.Scalar(self=%input_ids, other=0)\n  %one: bool[b{2}, 1, s{6}] = aten.unsqueeze.default(self=%seen, dim=1)\n"
                           "  %other: bool[b{2}, s{6}, 1] = aten.unsqueeze.default(self=%seen, dim=2)\n  %both: bool[b{2}, s{6}, s{6}] = aten.logical_and.default(self=%one, other=%other)\n"
                           "  %mask: bool[b{2}, 1, s{6}, s{6}] = aten.unsqueeze.default(self=%both, dim=1)\n";
  const std::string spelled = "aten.matmul.default(self=%shares, other=%q)";
  const std::vector<Refused> cases{
      {"no mask", layer("", "aten.scaled_dot_product_attention.default(query=%q, key=%q, value=%q)"), "%a", "no mask"},
      {"a mask of tokens", layer(mask, "aten.scaled_dot_product_attention.default(query=%q, key=%q, value=%q, attn_mask=%mask)"), "%both", "compares all positions"},
      {"a running sum", layer("  %sum: f32[b{2}, s{6}, 8] = aten.cumsum.default(self=%x, dim=1)\n", kCausal), "%sum", "along the positions"},
      {"a mean over the sequence", layer("  %mean: f32[b{2}, 1, 8] = aten.mean.dim(self=%x, dim=[1], keepdim=true)\n", kCausal), "%mean", "keep the positions apart"},
      {"a convolution", layer("  %c: f32[b{2}, 8, s{6}] = aten.transpose.int(self=%x, dim0=1, dim1=2)\n  %conv: f32[b{2}, 8, s{6}] = aten.conv1d.default(input=%c, weight=%filter, padding=[1], groups=8)\n", kCausal),
       "%conv", "along the positions"},
      {"a shift", layer("  %before: f32[b{2}, \"s - 1\"{5}, 8] = aten.slice.Tensor(self=%x, dim=1, start=0, end=-1)\n", kCausal), "%before", "keep the positions apart"},
  };
  for (const Refused& refused : cases) {
    const Model model = test::text_model(refused.text);
    const std::string error = test::error_of([&] { to_cached_decoder(model); }).to_text();
    EXPECT_NE(error.find(refused.node), std::string::npos) << refused.what << ": " << error;
    EXPECT_NE(error.find(refused.reason), std::string::npos) << refused.what << ": " << error;
  }
}

TEST(CachedDecoder, AGraphThatIsNoLanguageModelIsRefused) {
  const Model fixed = test::text_model("graph {\n  input %input_ids: i64[2, 6]\n  %y: i64[2, 6] = aten.neg.default(self=%input_ids)\n  output %y\n}");
  EXPECT_NE(test::error_of([&] { to_cached_decoder(fixed); }).to_text().find("any length"), std::string::npos);
  const Model picture = test::text_model("graph {\n  input %image: f32[b{2}, 6]\n  %y: f32[b{2}, 6] = aten.neg.default(self=%image)\n  output %y\n}");
  EXPECT_NE(test::error_of([&] { to_cached_decoder(picture); }).to_text().find("`image`"), std::string::npos);
  const Model plain = test::text_model("graph {\n  input %input_ids: i64[b{2}, s{6}]\n  %y: i64[b{2}, s{6}] = aten.neg.default(self=%input_ids)\n  output %y\n}");
  EXPECT_NE(test::error_of([&] { to_cached_decoder(plain); }).to_text().find("no attention"), std::string::npos);
}

}  // namespace
}  // namespace dsc
