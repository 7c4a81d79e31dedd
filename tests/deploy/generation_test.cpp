// Language models with a cache in OpenVINO: the tokens that PyTorch chose by whole sequences, and how tokens are drawn.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "deploy/generation_folder.h"
#include "deploy/language_model.h"
#include "deploy/language_models.h"
#include "deploy/needs_openvino.h"
#include "io/pt2.h"
#include "support/data_folder.h"
#include "support/error_of.h"

namespace dsc {
namespace {

using test::row_of;

class Generation : public test::NeedsOpenVino {
 protected:
  std::string write(const Model& model) {
    const auto artifact = write_generation_folder(model, folder_.file("model"), {});
    EXPECT_NE(artifact.check.find("outputs as LibTorch's"), std::string::npos);
    return artifact.path;
  }
  test::TempFolder folder_;
};

TEST_F(Generation, ChoosesTheTokensOfWholeSequences) {
  for (const char* name : {"llama", "qwen3", "gemma3"}) {
    const auto recorded = test::read_recorded(name);
    LanguageModel model(write(recorded.model));
    for (const std::int64_t row : {0, 1}) {
      const auto made = generate(model, row_of(recorded.prompts, row), recorded.tokens.size(1), {});
      EXPECT_EQ(made.tokens, row_of(recorded.tokens, row)) << name;
      model.forget();
      auto all = row_of(recorded.prompts, row);
      const auto later = row_of(recorded.tokens, row);
      all.insert(all.end(), later.begin(), later.end() - 1);
      EXPECT_LT((model.next(all) - recorded.scores[row]).abs().max().item<double>(), 2e-4) << name;
    }
  }
}

TEST_F(Generation, TellsTheStoriesThatPyTorchTells) {
  const auto path = test::data_file("stories260k/stories260k.pt2");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << test::data_missing(path);
  const auto recorded = nlohmann::json::parse(test::slurp(DSC_SOURCE_DIR "/tests/fixtures/language_models/stories260k.json"));
  LanguageModel model(write(read_pt2(path)));
  for (const std::size_t row : {0, 1}) {
    const auto prompt = recorded["prompts"][row].get<std::vector<std::int64_t>>(), tokens = recorded["tokens"][row].get<std::vector<std::int64_t>>();
    EXPECT_EQ(generate(model, prompt, static_cast<std::int64_t>(tokens.size()), {}).tokens, tokens);
  }
}

TEST_F(Generation, EndsWhereTheModelSaysSo) {
  const auto recorded = test::read_recorded("llama");
  LanguageModel model(write(recorded.model));
  const auto tokens = row_of(recorded.tokens, 0);
  const auto made = generate(model, row_of(recorded.prompts, 0), 24, {tokens[5]});
  const auto end = std::find(tokens.begin(), tokens.end(), tokens[5]);
  EXPECT_TRUE(made.ended);
  EXPECT_EQ(made.tokens, std::vector<std::int64_t>(tokens.begin(), end));
  EXPECT_EQ(test::error_of([&] { generate(model, {}, 3, {}); }).code(), ErrorCode::data);
}

TEST_F(Generation, AnotherKindOfModelIsNamed) {
  const auto recorded = test::read_recorded("llama");
  const auto path = folder_.file("whole.xml");
  write_openvino_ir(recorded.model, path);
  const auto error = test::error_of([&] { LanguageModel{path}; });
  EXPECT_EQ(error.code(), ErrorCode::unsupported);
  EXPECT_NE(error.to_text().find("--stateful"), std::string::npos);
  EXPECT_EQ(test::error_of([&] { write_generation_folder(recorded.model, folder_.file("a"), folder_.file("nowhere")); }).code(), ErrorCode::data);
  EXPECT_FALSE(std::filesystem::exists(folder_.file("a")));
}

// Shares of what is drawn against the definition, in a plain loop.
TEST(ChooseToken, DrawsFromTheFewestTokensThatComeToTopP) {
  const std::vector<double> scores{0.1, 2.0, -1.0, 1.2, 1.9};
  const at::Tensor tensor = at::tensor(scores, at::kFloat);
  constexpr double kTemperature = 0.7, kTopP = 0.8;
  std::vector<std::size_t> order{0, 1, 2, 3, 4};
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  double all = 0, kept = 0;
  for (const double score : scores) all += std::exp(score / kTemperature);
  std::vector<double> expected(scores.size(), 0);
  for (const std::size_t token : order) {
    if (kept >= kTopP) break;
    expected[token] = std::exp(scores[token] / kTemperature) / all;
    kept += expected[token];
  }
  Random random(5);
  constexpr int kDraws = 20000;
  std::vector<double> found(scores.size(), 0);
  for (int i = 0; i < kDraws; ++i) found[static_cast<std::size_t>(choose_token(tensor, {.temperature = kTemperature, .top_p = kTopP}, random))] += 1.0 / kDraws;
  for (std::size_t i = 0; i < scores.size(); ++i) EXPECT_NEAR(found[i], expected[i] / kept, expected[i] > 0 ? 0.02 : 0) << i;
  EXPECT_EQ(choose_token(tensor, {}, random), 1);
  EXPECT_EQ(choose_token(tensor, {.top_p = 0.0}, random), 1);
}

}  // namespace
}  // namespace dsc
