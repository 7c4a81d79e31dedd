// dscompress export --stateful and dscompress generate, as a user runs them.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "deploy/language_models.h"
#include "support/program.h"

namespace dsc::test {
namespace {

std::string fixture(const std::string& name) { return DSC_SOURCE_DIR "/tests/fixtures/language_models/" + name; }

class Generate : public testing::Test {
 protected:
  void SetUp() override {
    if (contains(run_program("doctor --json").out, "not built in")) GTEST_SKIP() << "built without OpenVINO";
  }
  // The fixture as a .pt2, after passes.
  std::string make(const std::string& passes) {
    const auto path = folder_.file("model.pt2"), weights = folder_.file("weights.safetensors");
    TensorFile file;
    const auto recorded = read_recorded("llama");
    for (const auto& name : recorded.model.weights.names()) file.tensors.emplace_back(name, recorded.model.weights.get(name));
    write_safetensors(weights, file);
    const auto made = run_program("-q opt " + fixture("llama.txt") + " --weights " + weights + " " + passes + " --to " + path);
    EXPECT_EQ(made.status, 0) << made.err;
    return path;
  }
  TempFolder folder_;
};

TEST_F(Generate, WritesTheTokensOfPyTorchAndHowFast) {
  const auto exported = run_program("-q export " + make("--pass 'fuse: {allow_empty: true}'") + " --to " + folder_.file("out") + " --stateful");
  ASSERT_EQ(exported.status, 0) << exported.err;
  EXPECT_TRUE(contains(exported.out, "outputs as LibTorch's"));
  const auto recorded = read_recorded("llama");
  const auto result = run_program("--threads 1 generate " + folder_.file("out") + " --ids 1,17,40,5,88 --tokens 24 --json");
  ASSERT_EQ(result.status, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["ids"].get<std::vector<std::int64_t>>(), row_of(recorded.tokens, 0));
  EXPECT_GT(json["tokens_per_second"].get<double>(), 0);
  EXPECT_GT(json["first_token_ms"].get<double>(), 0);
  const auto drawn = [&](const std::string& seed) {
    return run_program("-q --threads 1 generate " + folder_.file("out/openvino_model.xml") + " --ids 1,17 --tokens 12 --temperature 2 --seed " + seed).out;
  };
  EXPECT_EQ(drawn("3"), drawn("3"));
  EXPECT_NE(drawn("3"), drawn("4"));
}

TEST_F(Generate, IsTimedModelByModel) {
  const auto model = make("--pass 'fuse: {allow_empty: true}'");
  ASSERT_EQ(run_program("-q export " + model + " --to " + folder_.file("out") + " --stateful").status, 0);
  const auto result = run_program("-q --threads 1 bench " + folder_.file("out") + "/ " + folder_.file("out/openvino_model.xml") + " --generate 8 --size 5 --json");
  ASSERT_EQ(result.status, 0) << result.err;
  const auto rows = nlohmann::json::parse(result.out)["generation"];
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["model"], "out");
  EXPECT_EQ(rows[1]["model"], "openvino_model.xml");
  for (const auto& row : rows) {
    EXPECT_EQ(row["tokens"], 8);
    EXPECT_EQ(row["prompt"], 5);
    EXPECT_GT(row["first_token_ms"].get<double>(), 0);
    EXPECT_GT(row["tokens_per_second"].get<double>(), 0);
  }
  EXPECT_EQ(run_program("-q bench " + model + " --generate 8").status, 2);  // a .pt2 keeps no keys and values
  EXPECT_EQ(run_program("-q bench " + folder_.file("out") + " --generate 8 --layers").status, 2);
}

TEST_F(Generate, ARunsReportSaysHowFast) {
  write_file_atomically(folder_.file("recipe.yaml"), "version: 1\nmodel: {path: " + make("--pass 'fuse: {allow_empty: true}'") +
                                                         "}\npasses: [{quantize: {mode: weight_only, weights: {bits: 4, group_size: 8}}}]\ndeploy: {openvino: {stateful: true}}\n");
  const auto result = run_program("-q --threads 1 run " + folder_.file("recipe.yaml") + " -o " + folder_.file("run"));
  ASSERT_EQ(result.status, 0) << result.err;
  const auto rows = nlohmann::json::parse(slurp(folder_.file("run/report.json")))["generation"];
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["model"], "base");
  EXPECT_EQ(rows[1]["model"], "compressed");
  EXPECT_GT(rows[1]["tokens_per_second"].get<double>(), 0);
  EXPECT_TRUE(contains(slurp(folder_.file("run/report.md")), "## Generation"));
}

TEST_F(Generate, WeightsOfFourBitsKeepTheirBits) {
  const auto model = make("--pass 'quantize: {mode: weight_only, weights: {bits: 4, group_size: 8}}'");
  const auto exported = run_program("-q export " + model + " --to " + folder_.file("out") + " --stateful");
  ASSERT_EQ(exported.status, 0) << exported.err;
  EXPECT_TRUE(contains(slurp(folder_.file("out/openvino_model.xml")), "element_type=\"i4\"") || contains(slurp(folder_.file("out/openvino_model.xml")), "element_type=\"u4\""));
  const auto result = run_program("-q --threads 1 generate " + folder_.file("out") + " --ids 1,17,40 --tokens 5");
  EXPECT_EQ(result.status, 0) << result.err;
}

TEST_F(Generate, SaysWhatIsMissing) {
  const auto model = make("--pass 'fuse: {allow_empty: true}'");
  const auto no_folder = run_program("-q generate " + model + " --ids 1");
  EXPECT_EQ(no_folder.status, 2);
  EXPECT_TRUE(contains(no_folder.err, "--stateful")) << no_folder.err;
  EXPECT_EQ(run_program("-q export " + model + " --to " + folder_.file("out") + " --stateful").status, 0);
  const auto no_tokenizer = run_program("-q generate " + folder_.file("out") + " 'Once upon a time'");
  EXPECT_EQ(no_tokenizer.status, 3);
  EXPECT_TRUE(contains(no_tokenizer.err, "openvino_tokenizer.xml")) << no_tokenizer.err;
  EXPECT_EQ(run_program("-q generate " + folder_.file("out")).status, 2);
  EXPECT_EQ(run_program("-q export " + model + " --to " + folder_.file("a.xml") + " --tokenizer " + folder_.path()).status, 2);
}

}  // namespace
}  // namespace dsc::test
