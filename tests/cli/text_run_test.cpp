// A whole run on text: tokenised, trained in batches of similar length, evaluated, its tokenizer carried along.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/random.h"
#include "io/pt2.h"
#include "support/program.h"
#include "support/tiny_transformer.h"

namespace dsc::test {
namespace {

// input_ids [N, T] -> embedding -> mean over T -> linear -> [N, 2]. Padding is part of the mean: batches of similar length help.
Model bag_of_words() {
  const Dim batch{2, "s0"}, length{4, "s1"};
  const auto type = [](ScalarType dtype, std::vector<Dim> sizes) { return TensorType{.dtype = dtype, .sizes = std::move(sizes)}; };
  Model model;
  const auto parameter = [&](const std::string& name, const at::Tensor& tensor) {
    std::vector<Dim> sizes;
    for (const auto size : tensor.sizes()) sizes.push_back({size, ""});
    model.weights.set(name, tensor);
    auto own = name;
    std::replace(own.begin(), own.end(), '.', '_');
    return model.graph.add_input(InputKind::parameter, "p_" + own, name, type(ScalarType::f32, sizes));
  };
  at::manual_seed(1);
  Value* table = parameter("embedding.weight", at::randn({100, 8}) / 4);
  Value* weight = parameter("head.weight", at::randn({2, 8}) / 3);
  Value* bias = parameter("head.bias", at::zeros({2}));
  Value* ids = model.graph.add_input(InputKind::user, "input_ids", "input_ids", type(ScalarType::i64, {batch, length}));
  const auto node = [&](const char* target, std::vector<NamedArgument> arguments, const std::string& name, std::vector<Dim> sizes) {
    return model.graph.insert(nullptr, target, std::move(arguments), {{name, type(ScalarType::f32, std::move(sizes))}})->output();
  };
  Value* words = node("aten.embedding.default", {{"weight", table}, {"indices", ids}}, "words", {batch, length, Dim{8}});
  Value* mean = node("aten.mean.dim", {{"self", words}, {"dim", IntList{std::int64_t{1}}}}, "mean", {batch, Dim{8}});
  model.graph.add_output(OutputKind::user, node("aten.linear.default", {{"input", mean}, {"weight", weight}, {"bias", bias}}, "scores", {batch, Dim{2}}));
  return model;
}

// Sentences of 1 to 12 words, good ones with "gorgeous" or "witty" among them, bad ones with "boring" or "unwieldy".
std::string reviews(int count, std::uint64_t seed) {
  const std::vector<std::string> plain{"the", "movie", "is", "a", "plot", "and", "jokes"}, good{"gorgeous", "witty"}, bad{"boring", "unwieldy"};
  Random random(seed);
  const auto pick = [&](const std::vector<std::string>& words) { return words[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(words.size())))]; };
  std::string text = "sentence\tlabel\n";
  for (int i = 0; i < count; ++i) {
    const bool is_good = random.below(2) == 1;
    std::string sentence = pick(is_good ? good : bad);
    for (std::int64_t more = random.below(6); more > 0; --more) sentence = pick(plain) + " " + sentence + " " + pick(plain);
    text += sentence + "\t" + (is_good ? "good" : "bad") + "\n";
  }
  return text;
}

// The model with its tokenizer, and reviews to train and judge it on.
void write_files(const TempFolder& folder, const Model& model) {
  write_pt2(model, folder.file("model.pt2"));
  for (const auto* extension : {".xml", ".bin"}) {
    spit(folder.file(std::string("model.tokenizer") + extension), slurp(std::string(DSC_SOURCE_DIR "/tests/fixtures/text/word_pieces.tokenizer") + extension));
  }
  spit(folder.file("train.tsv"), reviews(300, 1));
  spit(folder.file("eval.tsv"), reviews(100, 2));
}

TEST(TextRun, TrainsAndCarriesTheTokenizer) {
  const TempFolder folder;
  write_files(folder, bag_of_words());
  spit(folder.file("recipe.yaml"), R"(version: 1
model: {path: model.pt2}
data:
  train: {format: text, path: train.tsv, columns: {text: sentence}, classes: [bad, good], max_length: 32, cache: ""}
  eval: {format: text, path: eval.tsv, columns: {text: sentence}, classes: [bad, good], max_length: 32, cache: ""}
evaluate: {metrics: [top1, f1, matthews, kl], batch: 16, baseline: train}
passes:
  - finetune: {name: train, epochs: 12, batch: 16, optimizer: {adamw: {lr: 0.05}}}
)");
  const auto run = [&](const std::string& out) { return run_program("-q run " + folder.file("recipe.yaml") + " --threads 1 --output-dir " + folder.file(out)); };
  const auto first = run("a");
  ASSERT_EQ(first.status, 0) << first.err;
  const auto report = nlohmann::json::parse(slurp(folder.file("a/report.json")));
  const auto& metrics = report.at("steps").at(1).at("metrics");
  EXPECT_GT(metrics.at("top1").get<double>(), 0.9);
  EXPECT_GT(metrics.at("matthews").get<double>(), 0.8);
  EXPECT_GT(metrics.at("kl").get<double>(), 0.01);  // from the untrained model
  EXPECT_TRUE(contains(report.dump(), "padding in batches of 16")) << report.at("notes").dump();
  EXPECT_EQ(slurp(folder.file("a/model.tokenizer.bin")), slurp(folder.file("model.tokenizer.bin")));
  const auto again = run_program("eval " + folder.file("recipe.yaml") + " --run " + folder.file("a") + " --json");
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(nlohmann::json::parse(again.out).at("metrics").at("f1"), metrics.at("f1"));
  ASSERT_EQ(run("b").status, 0);
  EXPECT_EQ(slurp(folder.file("a/model.safetensors")), slurp(folder.file("b/model.safetensors")));
}

// A chain of stages finds the tokenizer beside it, where a device gets it from, too.
TEST(TextRun, ItsChainIsJudgedFromItsOwnFolder) {
  const TempFolder folder;
  write_files(folder, tiny_transformer(1, {.vocabulary = 100, .length = 8, .classes = 2}));
  const std::string data =
      "columns: {text: sentence}, classes: [bad, good], max_length: 8, padding: max_length, inputs: [input_ids, attention_mask], cache: \"\"}\n";
  spit(folder.file("recipe.yaml"), "version: 1\nmodel: {path: model.pt2}\ndata:\n  train: {format: text, path: train.tsv, " + data +
                                       "  eval: {format: text, path: eval.tsv, " + data +
                                       "evaluate: {metrics: [top1], batch: 16}\npasses:\n  - early_exit: {count: 1, threshold: 0.6, head: mean, "
                                       "mask: mask, epochs: 1, batch: 16}\n");
  const auto run = run_program("-q run " + folder.file("recipe.yaml") + " --threads 1 --output-dir " + folder.file("out"));
  ASSERT_EQ(run.status, 0) << run.err;
  const auto report = nlohmann::json::parse(slurp(folder.file("out/report.json")));
  for (const std::string chain : {"out/exits/chain.json", "out/exits"}) {
    const auto judged = run_program("-q eval " + folder.file("recipe.yaml") + " --model " + folder.file(chain) + " --threads 1 --json");
    ASSERT_EQ(judged.status, 0) << judged.err;
    EXPECT_EQ(nlohmann::json::parse(judged.out).at("metrics"), report.at("deployed")[0].at("metrics")) << chain;
  }
}

}  // namespace
}  // namespace dsc::test
