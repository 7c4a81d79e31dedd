// Captured inputs become one night's data: what is compared on, what is trained on, what is left out.
#include "nightly/traffic.h"

#include <gtest/gtest.h>

#include "dscompress/error.h"
#include "io/safetensors.h"
#include "support/program.h"
#include "support/tiny_models.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;

at::Tensor column(std::initializer_list<float> values) { return at::tensor(std::vector<float>(values)).unsqueeze(1); }
at::Tensor labels(std::initializer_list<std::int64_t> values) { return at::tensor(std::vector<std::int64_t>(values)); }

class TrafficTest : public testing::Test {
 protected:
  TrafficTest() { config_.path.path = folder_.file("*.safetensors"); }
  void write(const std::string& name, const at::Tensor& x, const at::Tensor& label = {}) const {
    TensorFile file{.tensors = {{"x", x}}, .metadata = {}};
    if (label.defined()) file.tensors.emplace_back("label", label);
    write_safetensors(folder_.file(name), file);
  }
  Traffic gather(const std::string& split = "traffic[-2:]") const { return gather_traffic(config_, split, folder_.file("gathered")); }
  static std::vector<float> xs(const std::string& path) {
    for (const auto& [name, tensor] : read_safetensors(path).tensors) {
      if (name == "x") return {tensor.const_data_ptr<float>(), tensor.const_data_ptr<float>() + tensor.numel()};
    }
    return {};
  }
  TempFolder folder_;
  LoopTraffic config_;
};

using Values = std::vector<float>;

TEST_F(TrafficTest, TheNewestLabelledExamplesAreTriedOnAndOlderOnesTrainedOn) {
  write("1.safetensors", column({1, 2, 3}), labels({0, -1, 1}));
  write("2.safetensors", column({4, 5}));
  write("3.safetensors", column({6, 7}), labels({1, 0}));
  const auto traffic = gather();
  EXPECT_EQ(traffic.examples, 7);
  EXPECT_EQ(traffic.trial, 2);
  EXPECT_EQ(traffic.train, 2);
  EXPECT_EQ(xs(traffic.all_file()), (Values{1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(xs(traffic.trial_file()), (Values{6, 7}));
  EXPECT_EQ(xs(traffic.train_file()), (Values{1, 3}));
}

TEST_F(TrafficTest, ASplitBeyondWhatIsThereTakesAllAndAPercentageItsPart) {
  write("1.safetensors", column({1, 2, 3, 4}), labels({0, 1, 0, 1}));
  EXPECT_EQ(gather("traffic[-100:]").trial, 4);
  EXPECT_EQ(gather("traffic[-100:]").train, 0);
  EXPECT_FALSE(fs::exists(folder_.file("gathered/train.safetensors"))) << "nothing of another night stays";
  EXPECT_EQ(gather("traffic[-25%:]").trial, 1);
}

TEST_F(TrafficTest, OldExamplesMakeTheShareThatIsAskedFor) {
  write("1.safetensors", column({1, 2, 3, 4, 5, 6}), labels({0, 1, 0, 1, 0, 1}));
  write_safetensors(folder_.file("old"), {.tensors = {{"x", at::arange(100, 150, at::kFloat).unsqueeze(1)}, {"label", at::ones({50}, at::kLong)}}, .metadata = {}});
  config_.replay.emplace();
  config_.replay->path.path = folder_.file("old");
  config_.replay->share = 0.6;
  const auto traffic = gather();
  auto trained = xs(traffic.train_file());
  ASSERT_EQ(trained.size(), 10U) << "4 new and 6 old ones";
  EXPECT_EQ(Values(trained.begin(), trained.begin() + 4), (Values{1, 2, 3, 4}));
  std::sort(trained.begin() + 4, trained.end());
  EXPECT_GE(trained[4], 100);
  EXPECT_EQ(std::adjacent_find(trained.begin(), trained.end()), trained.end()) << "none is drawn twice";
}

TEST_F(TrafficTest, FilesThatAreOldOrBeingWrittenAreLeftOut) {
  write("1.safetensors", column({1}), labels({0}));
  write("2.safetensors", column({2}), labels({0}));
  write("3.safetensors", column({3}), labels({0}));
  fs::last_write_time(folder_.file("1.safetensors"), fs::file_time_type::clock::now() - std::chrono::hours(24 * 8));
  spit(folder_.file("2.safetensors"), slurp(folder_.file("2.safetensors")).substr(0, 20));
  const auto traffic = gather();
  EXPECT_EQ(xs(traffic.all_file()), (Values{3}));
  ASSERT_EQ(traffic.notes.size(), 1U);
  EXPECT_TRUE(contains(traffic.notes[0], "2.safetensors")) << traffic.notes[0];
}

TEST_F(TrafficTest, NoFilesAreNoTraffic) {
  EXPECT_EQ(gather().examples, 0);
}

TEST_F(TrafficTest, FilesOfDifferentModelsAndMissingLabelsAreRefused) {
  write("1.safetensors", column({1}), labels({0}));
  write("2.safetensors", at::zeros({1, 2}));
  EXPECT_THROW(gather(), Error);
  write("2.safetensors", column({1}));
  EXPECT_EQ(gather().examples, 2);
  config_.labels = LabelsCome::complete;
  EXPECT_THROW(gather(), Error);
}

}  // namespace
}  // namespace dsc::test
