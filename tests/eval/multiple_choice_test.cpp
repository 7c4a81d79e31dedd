// Multiple choice and continuations against what Transformers makes of them (scripts/make_choice_fixtures.py).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/file.h"
#include "data/class_dimension.h"
#include "data/open.h"
#include "deploy/language_models.h"
#include "eval/metrics.h"
#include "exec/executor.h"

namespace dsc {
namespace {

const std::string kChoices = DSC_SOURCE_DIR "/tests/fixtures/choices/";

const nlohmann::json& recorded_choices() {
  static const auto json = nlohmann::json::parse(read_file(kChoices + "recorded.json"));
  return json;
}

SplitConfig questions(const std::string& path, std::int64_t max_length) {
  SplitConfig split;
  split.format = DataFormat::multiple_choice;
  split.path.path = path;
  split.text.tokenizer.path = DSC_SOURCE_DIR "/tests/fixtures/text/byte_pairs.tokenizer.xml";
  split.text.max_length = max_length;
  split.text.cache.clear();
  return split;
}

Model tiny_llama() {
  Model model{.graph = parse_graph(test::slurp(kChoices + "llama.txt")), .source = "llama"};
  for (const auto& [name, tensor] : read_safetensors(kChoices + "llama.safetensors").tensors) model.weights.set(name, tensor);
  return model;
}

class MultipleChoice : public testing::Test {
 protected:
  void SetUp() override {
    try {
      data_ = open_dataset(questions(kChoices + "questions.jsonl", recorded_choices().at("max_length")), std::nullopt);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::unsupported) GTEST_SKIP() << "built without OpenVINO";
      throw;
    }
  }
  std::unique_ptr<Dataset> data_;
};

TEST_F(MultipleChoice, ReadsTheTokensOfThePrompts) {
  std::int64_t example = 0;
  for (const auto& question : recorded_choices().at("questions")) {
    for (const auto& ids : question.at("ids")) {
      const std::int64_t index = example++;
      const Batch batch = data_->batch(std::span(&index, 1), std::nullopt);
      const auto wanted = ids.get<std::vector<std::int64_t>>();
      EXPECT_TRUE(batch.inputs.front()[0].equal(at::tensor(wanted, at::kLong))) << data_->show(index);
    }
  }
  EXPECT_EQ(data_->size(), example);
}

TEST_F(MultipleChoice, ScoresAreThoseOfTransformers) {
  const Model model = tiny_llama();
  Executor executor(model, {});
  const auto bound = bind_inputs(std::move(data_), model);
  for (const std::int64_t batch : {1, 7, 250}) {
    const auto found = evaluate_examples(executor, *bound, {.metrics = {"choice_acc", "choice_acc_norm", "loss"}, .batch = batch});
    EXPECT_DOUBLE_EQ(found.metrics.at("choice_acc"), recorded_choices().at("acc").get<double>());
    EXPECT_DOUBLE_EQ(found.metrics.at("choice_acc_norm"), recorded_choices().at("acc_norm").get<double>());
    double sum = 0, tokens = 0;
    std::size_t i = 0;
    for (const auto& question : recorded_choices().at("questions")) {
      EXPECT_EQ(found.outcomes.at("choice_acc").value.at(i), question.at("right").get<bool>() ? 1 : 0);
      EXPECT_EQ(found.outcomes.at("choice_acc_norm").value.at(i++), question.at("right_norm").get<bool>() ? 1 : 0);
      for (const auto& log_likelihood : question.at("log_likelihoods")) sum -= log_likelihood.get<double>();
    }
    for (std::int64_t example = 0; example < bound->size(); ++example) {
      tokens += bound->batch(std::span(&example, 1), std::nullopt).target.ne(kNoLabel).sum().item<double>();
    }
    EXPECT_NEAR(found.metrics.at("loss"), sum / tokens, 1e-5 * sum / tokens);
  }
}

std::string message_of(const std::string& line) {
  const test::TempFolder folder;
  write_file_atomically(folder.path() + "/q.jsonl", "{\"prompt\": \"a\", \"choices\": [\" b\", \" c\"], \"answer\": 1}\n" + line + "\n");
  try {
    open_dataset(questions(folder.path() + "/q.jsonl", 64), std::nullopt);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::data);
    return error.to_text();
  }
  return "";
}

TEST_F(MultipleChoice, NamesTheLineThatIsWrong) {
  EXPECT_EQ(message_of(R"({"question": "a?", "choices": {"text": ["b", "c"], "label": ["A", "B"]}, "answerKey": "B"})"), "");
  for (const auto& [line, wanted] : std::map<std::string, std::string>{{"{", "no JSON"},
                                                                       {R"({"prompt": "a", "choices": ["b", "c"], "answer": 2})", "names none of 2 choices"},
                                                                       {R"({"prompt": "a", "choices": ["b"], "answer": 0})", "fewer than two"},
                                                                       {R"({"question": "a?", "choices": {"text": ["b", "c"], "label": ["A", "B"]}, "answerKey": "E"})", "none of the choices"},
                                                                       {R"({"prompt": " ", "choices": ["b", "c"], "answer": 0})", "no text before"},
                                                                       {R"({"prompt": "a", "choices": ["b", 3], "answer": 0})", "list of texts"}}) {
    EXPECT_NE(message_of(line).find(wanted), std::string::npos) << message_of(line);
    EXPECT_NE(message_of(line).find("q.jsonl:2"), std::string::npos) << message_of(line);
  }
}

// --- continuations ---

// Token ids and what is visible of them.
class TokenTexts final : public Dataset {
 public:
  explicit TokenTexts(std::vector<std::vector<std::int64_t>> texts) : texts_(std::move(texts)) { info_.input_names = {"input_ids", "attention_mask"}; }
  std::int64_t size() const override { return static_cast<std::int64_t>(texts_.size()); }
  const DatasetInfo& info() const override { return info_; }
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t>) const override {
    std::size_t longest = 0;
    for (const auto i : indices) longest = std::max(longest, texts_[static_cast<std::size_t>(i)].size());
    at::Tensor ids = at::zeros({static_cast<std::int64_t>(indices.size()), static_cast<std::int64_t>(longest)}, at::kLong), mask = at::zeros_like(ids);
    for (std::size_t row = 0; row < indices.size(); ++row) {
      const auto& text = texts_[static_cast<std::size_t>(indices[row])];
      const auto length = static_cast<std::int64_t>(text.size());
      ids[static_cast<std::int64_t>(row)].narrow(0, 0, length).copy_(at::tensor(text, at::kLong));
      mask[static_cast<std::int64_t>(row)].narrow(0, 0, length).fill_(1);
    }
    Batch made{.inputs = {ids, mask}};
    made.indices.assign(indices.begin(), indices.end());
    return made;
  }

 private:
  std::vector<std::vector<std::int64_t>> texts_;
  DatasetInfo info_;
};

// The most likely tokens behind a text, one run for each.
std::vector<std::int64_t> continued(Executor& executor, std::vector<std::int64_t> text, std::int64_t tokens) {
  std::vector<std::int64_t> made;
  for (std::int64_t i = 0; i < tokens; ++i) {
    const at::Tensor ids = at::tensor(text, at::kLong).unsqueeze(0);
    made.push_back(executor.run({ids, at::ones_like(ids)}).at(0)[0][-1].argmax().item<std::int64_t>());
    text.push_back(made.back());
  }
  return made;
}

TEST(ContinuationAgreement, CountsEqualTokensOfBothModelsOwnContinuations) {
  const auto recorded = test::read_recorded("llama");
  Model other = recorded.model.clone();
  at::manual_seed(3);
  other.weights.get("model.lm_head.weight").add_(at::randn({96, 16}) * 0.1);
  // Of a text of twice the prompt's length the first half is the prompt: the first tokens are those of PyTorch.
  std::vector<std::vector<std::int64_t>> texts;
  for (std::int64_t row = 0; row < 2; ++row) {
    texts.push_back(test::row_of(recorded.prompts, row));
    texts.back().resize(10, 7);
  }
  texts.push_back({5, 9, 11});
  texts.push_back({40});  // nothing is left to continue
  Executor base(recorded.model, {}), changed(other, {});
  double equal = 0, count = 0;
  for (const auto& text : texts) {
    const auto half = std::max<std::size_t>(1, text.size() / 2);
    const std::vector<std::int64_t> prompt(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(half));
    const auto steps = static_cast<std::int64_t>(text.size() - half);
    const auto a = continued(base, prompt, steps), b = continued(changed, prompt, steps);
    if (&text - texts.data() < 2) {
      const auto wanted = test::row_of(recorded.tokens, &text - texts.data());
      EXPECT_TRUE(std::equal(a.begin(), a.end(), wanted.begin()));
    }
    for (std::size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i];
    count += static_cast<double>(steps);
  }
  ASSERT_GT(equal, 0);
  ASSERT_LT(equal, count);
  const TokenTexts data(texts);
  for (const std::int64_t batch : {1, 4}) {
    EXPECT_DOUBLE_EQ(evaluate(changed, data, {.metrics = {"continuation_agreement"}, .batch = batch, .reference = &base}).at("continuation_agreement"), equal / count);
    EXPECT_EQ(evaluate(base, data, {.metrics = {"continuation_agreement"}, .batch = batch, .reference = &base}).at("continuation_agreement"), 1);
  }
}

}  // namespace
}  // namespace dsc
