// Programs whose weights lie in a checkpoint, beside Transformers' model of the same checkpoint (scripts/make_outside_weights_fixtures.py).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>

#include "exec/executor.h"
#include "io/files.h"
#include "io/safetensors.h"
#include "pipeline/open_model.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

const std::string kOutside = DSC_SOURCE_DIR "/tests/fixtures/outside_weights/";

std::map<std::string, at::Tensor> record() {
  const auto file = read_safetensors(kOutside + "record.safetensors");
  return {file.tensors.begin(), file.tensors.end()};
}

TEST(OutsideWeights, AreThoseThatTransformersReads) {
  const Model model = open_model(kOutside + "model.pt2", kOutside + "checkpoint");
  int compared = 0;
  const auto known = record();
  for (const auto& [name, tensor] : known) {
    if (!name.starts_with("weights.")) continue;
    const at::Tensor& found = model.weights.get(name.substr(std::string("weights.").size()));
    EXPECT_EQ(found.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(found, tensor)) << name;
    ++compared;
  }
  EXPECT_GE(compared, 6);
  const at::Tensor ids = known.at("ids"), logits = Executor(model, {}).run({ids, at::ones_like(ids)}).front();
  EXPECT_TRUE(at::equal(logits, known.at("logits"))) << (logits - known.at("logits")).abs().max();
  EXPECT_TRUE(open_model(kOutside + "model.pt2", kOutside + "checkpoint/model.safetensors.index.json").weights.has("lm_head.weight"));
}

TEST(OutsideWeights, AreAskedForByNameOfTheOption) {
  try {
    open_model(kOutside + "model.pt2");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::model_file);
    EXPECT_NE(std::string(error.what()).find("exported without its weights"), std::string::npos) << error.what();
    EXPECT_NE(error.problems().front().hint.find("model.weights"), std::string::npos);
  }
  EXPECT_FALSE(open_model(kOutside + "model.pt2", {}, {}, LackingWeights::allowed).graph.nodes().empty());
}

TEST(OutsideWeights, AllThatTheCheckpointLacksIsToldAtOnce) {
  const TemporaryFolder folder;
  TensorFile file;
  for (const char* shard : {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
    for (const auto& [name, tensor] : read_safetensors(kOutside + "checkpoint/" + shard).tensors) {
      if (name == "model.norm.weight" || name == "model.layers.1.mlp.experts.2.up_proj.weight_scale_inv") continue;
      file.tensors.emplace_back(name == "lm_head.weight" ? "lm_heat.weight" : name, name == "model.embed_tokens.weight" ? tensor.narrow(0, 0, 5) : tensor);
    }
  }
  write_safetensors(folder.file("model.safetensors"), file);
  try {
    open_model(kOutside + "model.pt2", folder.file("model.safetensors"));
    FAIL() << "no error";
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_EQ(error.problems().size(), 4U) << text;
    for (const char* said : {"`model.norm.weight`, which the checkpoint does not have", "did you mean `lm_heat.weight`", "[5, 20]",
                             "`model.layers.1.mlp.experts.2.up_proj.weight_scale_inv`, a scale for each block of 8 x 8, is not in the checkpoint"})
      EXPECT_NE(text.find(said), std::string::npos) << said << "\n" << text;
  }
}

}  // namespace
}  // namespace dsc
