// BERTScore against what the package bert-score makes of the same encoder, tokens and texts (scripts/make_bert_score_fixtures.py).
#include "eval/bert_score.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "data/open.h"
#include "eval/metrics.h"
#include "io/pt2.h"
#include "io/safetensors.h"
#include "ir/text.h"
#include "support/error_of.h"
#include "support/program.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

const std::string kFixtures = DSC_SOURCE_DIR "/tests/fixtures/";

class BertScoreTest : public testing::Test {
 protected:
  void SetUp() override {
    Model model{.graph = parse_graph(test::slurp(kFixtures + "bert_score/encoder.txt")), .source = "encoder"};
    for (const auto& [name, tensor] : read_safetensors(kFixtures + "bert_score/encoder.safetensors").tensors) model.weights.set(name, tensor);
    write_pt2(model, path_);
    for (const char* end : {".xml", ".bin"})
      fs::copy_file(kFixtures + "text/word_pieces.tokenizer" + end, folder_.file(std::string("encoder.tokenizer") + end));
    try {
      encoder_ = std::make_unique<TextEncoder>(path_);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::unsupported) GTEST_SKIP() << "built without OpenVINO";
      throw;
    }
  }
  const nlohmann::json recorded_ = nlohmann::json::parse(read_file(kFixtures + "bert_score/recorded.json"));
  const test::TempFolder folder_;
  const std::string path_ = folder_.file("encoder.pt2");
  std::unique_ptr<TextEncoder> encoder_;
};

TEST_F(BertScoreTest, AreThoseOfThePackage) {
  std::vector<TokenIds> references;
  for (const auto& text : recorded_.at("references")) references.push_back(encoder_->tokens_of(text.get<std::string>()));
  for (const auto& entry : recorded_.at("scores")) {
    const TokenWeights weights = entry.at("idf").get<bool>() ? TokenWeights(references) : TokenWeights(encoder_->special_tokens());
    const auto output = entry.at("output").get<std::int64_t>();
    for (std::size_t i = 0; i < recorded_.at("pairs").size(); ++i) {
      const auto pair = recorded_.at("pairs")[i].get<std::vector<std::string>>();
      const BertScore score = bert_score(encoder_->encode(pair[0], output), encoder_->encode(pair[1], output), weights);
      const auto wanted = entry.at("scores")[i].get<std::vector<double>>();
      EXPECT_NEAR(score.precision, wanted[0], 1e-6) << pair[0];
      EXPECT_NEAR(score.recall, wanted[1], 1e-6) << pair[0];
      EXPECT_NEAR(score.f1, wanted[2], 1e-6) << pair[0];
    }
  }
}

TEST_F(BertScoreTest, OfAnEvaluationAreTheirMeans) {
  SplitConfig split;
  split.format = DataFormat::generation;
  split.path.path = kFixtures + "generation/prompts.jsonl";
  split.text.tokenizer.path = kFixtures + "generation/byte_pairs.tokenizer.xml";
  split.text.encoder.path = path_;
  split.text.cache.clear();
  Model llama{.graph = parse_graph(test::slurp(kFixtures + "choices/llama.txt")), .source = "llama"};
  for (const auto& [name, tensor] : read_safetensors(kFixtures + "generation/llama.safetensors").tensors) llama.weights.set(name, tensor);
  const auto data = bind_inputs(open_dataset(split, std::nullopt), llama);
  Executor executor(llama, {});
  const auto found = evaluate(executor, *data, {.metrics = {"bertscore_f1(tokens=14 output=1 idf=1)", "bertscore_recall(tokens=14)"}, .batch = 4});
  const auto mean = [&](std::size_t entry, std::size_t part) {
    double sum = 0;
    for (std::size_t i = 0; i < recorded_.at("references").size(); ++i) sum += recorded_.at("scores")[entry].at("scores")[i][part].get<double>();
    return sum / static_cast<double>(recorded_.at("references").size());
  };
  EXPECT_NEAR(found.at("bertscore_f1(tokens=14 output=1 idf=1)"), mean(3, 2), 1e-6);
  EXPECT_NEAR(found.at("bertscore_recall(tokens=14)"), mean(0, 1), 1e-6);
  const auto few = test::error_of([&] { evaluate(executor, *data, {.metrics = {"bertscore_f1(output=7)"}}); });
  EXPECT_NE(std::string(few.what()).find("the text encoder has 2 outputs"), std::string::npos) << few.what();
  split.text.encoder.path.clear();
  const auto none = bind_inputs(open_dataset(split, std::nullopt), llama);
  const auto missing = test::error_of([&] { evaluate(executor, *none, {.metrics = {"bertscore_f1"}}); });
  EXPECT_NE(std::string(missing.what()).find("the data names none"), std::string::npos) << missing.what();
}

}  // namespace
}  // namespace dsc
