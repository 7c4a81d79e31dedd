// Weight-only quantisation of a real language model: what looking at inputs gains over the nearest rounding.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>

#include "data/tensors.h"
#include "io/pt2.h"
#include "passes/quantize/trained_network.h"
#include "support/data_folder.h"

namespace dsc {
namespace {

// e to the mean loss of the next token.
double perplexity(const Model& model, const at::Tensor& ids) {
  const c10::NoGradGuard no_grad;
  const at::Tensor logits = Executor(model, {}).run({ids}).at(0);
  const std::int64_t length = ids.size(1);
  const at::Tensor scores = logits.narrow(1, 0, length - 1).reshape({-1, logits.size(-1)}), next = ids.narrow(1, 1, length - 1).reshape({-1});
  return std::exp(at::cross_entropy_loss(scores, next).item<double>());
}

TEST(QuantizeLanguageModel, GptqAndAwqLoseLessThanTheNearestRounding) {
  const std::string folder = test::data_file("stories260k");
  if (!std::filesystem::exists(folder + "/tinystories_ids.npy")) GTEST_SKIP() << test::data_missing(folder + "/tinystories_ids.npy");
  const Model model = read_pt2(folder + "/stories260k.pt2");
  const at::Tensor ids = read_npy(folder + "/tinystories_ids.npy").to(at::kLong);
  test::MemoryDataset calibration(ids.narrow(0, 0, 24), {});
  const at::Tensor held_out = ids.narrow(0, ids.size(0) - 16, 16);
  const double base = perplexity(model, held_out);
  std::map<std::string, double> rise;
  for (const auto& [name, options] : std::map<std::string, std::string>{{"rtn", ""}, {"gptq", ", rounding: gptq"}, {"awq", ", scaling: awq"}}) {
    Model copy = model.clone();
    test::FakeContext context(copy, {.train = &calibration});
    test::quantize("{mode: weight_only, weights: {bits: 4, group_size: 64}, calibration: {samples: 64, batch: 32}" + options + "}").run(copy, context);
    rise[name] = perplexity(copy, held_out) - base;
    std::cout << name << ": perplexity " << base << " -> " << base + rise[name] << '\n';
  }
  EXPECT_GT(rise["rtn"], 0);
  EXPECT_LT(rise["gptq"], rise["rtn"]);
  EXPECT_LT(rise["awq"], rise["rtn"]);
}

}  // namespace
}  // namespace dsc
