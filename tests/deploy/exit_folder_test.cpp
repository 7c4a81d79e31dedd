// A chain with early exits written, and read back by either engine.
#include "deploy/exit_folder.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "deploy/needs_openvino.h"
#include "dscompress/error.h"
#include "exec/executor.h"
#include "exec/resolutions.h"
#include "io/pt2.h"
#include "support/hybrid_network.h"
#include "support/program.h"
#include "support/tiny_transformer.h"

namespace dsc {
namespace {

// Two layers; the first one's first token is scored by the network's classifier.
Model with_an_exit() {
  Model model = test::tiny_transformer();
  Value* hidden = nullptr;
  for (Node* node : model.graph.nodes()) {
    if (node->module_path() == "encoder.layer.0.norm2") hidden = node->output();
  }
  Node* next = hidden->uses().front().node;
  const auto insert = [&](const char* target, std::vector<NamedArgument> arguments, std::vector<Dim> sizes) {
    return model.graph.insert(next, target, std::move(arguments), {{"exit", TensorType{.sizes = std::move(sizes)}}})->output();
  };
  const Dim batch = hidden->tensor().sizes.front();
  Value* first = insert("aten.select.int", {{"self", hidden}, {"dim", std::int64_t{1}}, {"index", std::int64_t{0}}}, {batch, {8, ""}});
  Value* scores =
      insert("aten.linear.default",
             {{"input", first}, {"weight", model.graph.find_weight("classifier.weight")}, {"bias", model.graph.find_weight("classifier.bias")}},
             {batch, {3, ""}});
  model.graph.add_output(OutputKind::user, scores);
  set_exits(model, {.rule = {ExitCriterion::confidence, 0.5}, .blocks = {"encoder.layer.0"}});
  return model;
}

StageEngine open_in_libtorch(const std::string& stem) {
  auto model = std::make_unique<Model>(read_pt2(stem + ".pt2"));
  auto engine = std::make_unique<Executor>(*model, ExecutorOptions{});
  return {std::move(model), std::move(engine)};
}

TEST(ExitFolder, IsTheChainThatWasWritten) {
  const Model model = with_an_exit();
  const test::TempFolder folder;
  const Artifact artifact = write_exit_folder(exit_stages(model), folder.file("exits"), false);
  EXPECT_TRUE(is_exit_chain(artifact.path) && is_exit_chain(folder.file("exits")) && !is_exit_chain(folder.path()));
  EXPECT_EQ(count_exits(artifact.path), 2U);
  EXPECT_FALSE(has_openvino_stages(artifact.path));
  const auto inputs = example_inputs(model, 31, 5);
  c10::NoGradGuard no_grad;
  const auto whole = Executor(model, {}).run(inputs);
  const auto chain = read_exit_chain(folder.file("exits"), open_in_libtorch);
  for (std::size_t exit = 0; exit < 2; ++exit) {
    chain->leave_at(exit);
    EXPECT_TRUE(chain->run(inputs).front().equal(whole[1 - exit])) << "exit " << exit;
  }
  EXPECT_EQ(read_exit_chain_inputs(artifact.path).graph.inputs().size(), read_pt2(folder.file("exits/stage-0.pt2")).graph.inputs().size());
}

class ExitFolderOfOpenVino : public test::NeedsOpenVino {};

TEST_F(ExitFolderOfOpenVino, GivesTheScoresOfTheWhole) {
  const Model model = with_an_exit();
  const test::TempFolder folder;
  const Artifact artifact = write_exit_folder(exit_stages(model), folder.file("exits"), true);
  const auto chain =
      read_exit_chain(artifact.path, [](const std::string& stem) { return StageEngine{nullptr, read_openvino_ir(stem + ".xml", {.threads = 1})}; });
  const auto inputs = example_inputs(model, 31, 5);
  c10::NoGradGuard no_grad;
  const auto whole = Executor(model, {}).run(inputs);
  for (std::size_t exit = 0; exit < 2; ++exit) {
    chain->leave_at(exit);
    EXPECT_LE((chain->run(inputs).front() - whole[1 - exit]).abs().max().item<double>(), 1e-5) << "exit " << exit;
  }
}

// What PyTorch made of the pictures at each size; the resizing is part of the networks.
TEST_F(ExitFolderOfOpenVino, OfResolutionsGivesPyTorchsScoresOfSmallerPictures) {
  for (const char* name : {"hybrid", "hybrid_fixed"}) {
    Model model = test::hybrid_network(name);
    set_resolutions(model, {.rule = {}, .height = 16, .width = 24, .sizes = {8, 12}});
    const test::TempFolder folder;
    const Artifact artifact = write_exit_folder(resolution_stages(model), folder.file("resolutions"), true);
    const auto in_openvino =
        read_exit_chain(artifact.path, [](const std::string& stem) { return StageEngine{nullptr, read_openvino_ir(stem + ".xml", {.threads = 1})}; });
    const auto in_libtorch = read_exit_chain(artifact.path, open_in_libtorch);
    for (std::size_t i = 0; i < 3; ++i) {
      const at::Tensor expected = test::hybrid_record("size" + std::to_string(8 + 4 * i));
      for (const auto& chain : {in_openvino.get(), in_libtorch.get()}) {
        chain->leave_at(i);
        EXPECT_LE((chain->run({test::hybrid_record("input0")}).front() - expected).abs().max().item<double>(), 1e-5) << name << ", size " << i;
      }
    }
  }
}

TEST(ExitFolder, OfADamagedPlanIsRefused) {
  const test::TempFolder folder;
  std::filesystem::create_directories(folder.file("exits"));
  for (const char* text :
       {"{", R"({"format": 7, "stages": []})", R"({"format": 1, "criterion": "confidence", "threshold": 1, "shared": [], "stages": []})"}) {
    test::spit(folder.file("exits/chain.json"), text);
    EXPECT_THROW(read_exit_chain(folder.file("exits/chain.json"), open_in_libtorch), Error) << text;
  }
}

}  // namespace
}  // namespace dsc
