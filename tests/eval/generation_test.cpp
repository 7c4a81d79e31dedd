// Texts that a language model writes on from prompts, against what Transformers, sacrebleu and rouge-score make of the same model
// (scripts/make_generation_fixtures.py).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/file.h"
#include "data/generation.h"
#include "data/open.h"
#include "deploy/language_models.h"
#include "eval/greedy.h"
#include "eval/metrics.h"
#include "exec/executor.h"

namespace dsc {
namespace {

const std::string kPrompts = DSC_SOURCE_DIR "/tests/fixtures/generation/";
const std::string kModel = DSC_SOURCE_DIR "/tests/fixtures/choices/llama";

SplitConfig prompts(const std::string& path) {
  SplitConfig split;
  split.format = DataFormat::generation;
  split.path.path = path;
  split.text.tokenizer.path = kPrompts + "byte_pairs.tokenizer.xml";
  split.text.cache.clear();
  return split;
}

class Generation : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto& [name, tensor] : read_safetensors(kPrompts + "llama.safetensors").tensors) model_.weights.set(name, tensor);
    try {
      data_ = bind_inputs(open_dataset(prompts(kPrompts + "prompts.jsonl"), std::nullopt), model_);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::unsupported) GTEST_SKIP() << "built without OpenVINO";
      throw;
    }
  }
  const nlohmann::json recorded_ = nlohmann::json::parse(read_file(kPrompts + "recorded.json"));
  Model model_{.graph = parse_graph(test::slurp(kModel + ".txt")), .source = "llama"};
  std::unique_ptr<Dataset> data_;
};

TEST_F(Generation, TextsAreThoseOfTransformers) {
  Executor executor(model_, {});
  BatchLoader loader(*data_, {.batch = 4});
  GreedyTexts texts(executor, *data_);
  const auto wanted = recorded_.at("texts").get<std::vector<std::string>>();
  while (const auto batch = loader.next()) {
    texts.look_at(*batch);
    const auto& found = texts.of(recorded_.at("tokens").get<std::int64_t>());
    for (std::size_t i = 0; i < batch->indices.size(); ++i) EXPECT_EQ(found[i], wanted[static_cast<std::size_t>(batch->indices[i])]);
  }
}

TEST_F(Generation, ScoresAreTheRecordedOnes) {
  Executor executor(model_, {});
  std::vector<std::string> metrics;
  const std::string setting = "(tokens=" + std::to_string(recorded_.at("tokens").get<std::int64_t>()) + ")";
  for (const auto& [name, value] : recorded_.at("metrics").items()) metrics.push_back(name + setting);
  for (const std::int64_t batch : {1, 4}) {
    const auto found = evaluate(executor, *data_, {.metrics = metrics, .batch = batch});
    for (const auto& [name, value] : recorded_.at("metrics").items()) EXPECT_NEAR(found.at(name + setting), value.get<double>(), 1e-6) << name;
  }
}

TEST_F(Generation, EmptyReferencesAreNamedByLine) {
  const test::TempFolder folder;
  write_file_atomically(folder.path() + "/p.tsv", "text\treference\nthe movie\tis witty\nthe plot\t  \n");
  try {
    open_dataset(prompts(folder.path() + "/p.tsv"), std::nullopt);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::data);
    EXPECT_NE(error.to_text().find("the column `reference` is empty"), std::string::npos) << error.to_text();
    EXPECT_NE(error.to_text().find("p.tsv:3"), std::string::npos) << error.to_text();
  }
}

}  // namespace
}  // namespace dsc
