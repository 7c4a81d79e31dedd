// Running one of the passes that replace operators, and what they compute before and after.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "exec/executor.h"
#include "io/pt2.h"
#include "ir/verify.h"
#include "support/fake_context.h"
#include "support/pass_options.h"
#include "support/program.h"
#include "support/tiny_models.h"

namespace dsc::test {

struct Rewritten {
  Model model;
  PassResult result;
};

// Also checks that the graph verifies and can be written and read.
inline Rewritten rewrite(const PassInfo& info, const std::string& options, const Model& model, FakeData data = {}) {
  FakeContext context(model, data);
  Rewritten made{model.clone(), {}};
  made.result = ConfiguredPass(info, "{" + options + "}").run(made.model, context);
  for (const Problem& problem : verify(made.model)) ADD_FAILURE() << problem.message;
  const TempFolder folder;
  write_pt2(made.model, folder.file("model.pt2"));
  EXPECT_EQ(read_pt2(folder.file("model.pt2")).graph.node_count(), made.model.graph.node_count());
  return made;
}

inline std::vector<Problem> problems_of(const PassInfo& info, const std::string& options, const Model& model) {
  return ConfiguredPass(info, "{" + options + "}").check(model);
}

inline at::Tensor output_of(const Model& model, const std::vector<at::Tensor>& inputs) {
  c10::NoGradGuard no_grad;
  Executor executor(model, {});
  return executor.run(inputs).at(0);
}

// Both models on the same inputs, at the example's batch size and another.
inline void expect_equal_outputs(const Model& a, const Model& b, double tolerance) {
  for (std::int64_t batch : {0, 3}) {
    const auto inputs = example_inputs(a, batch, 5);
    const auto x = output_of(a, inputs), y = output_of(b, inputs);
    ASSERT_EQ(x.sizes(), y.sizes());
    EXPECT_LE((x - y).abs().max().item<double>(), tolerance * y.abs().max().item<double>()) << "batch " << batch;
  }
}

inline Model fixture_model(const std::string& name) { return read_pt2(DSC_SOURCE_DIR "/tests/fixtures/exec/" + name + ".pt2"); }

}  // namespace dsc::test
