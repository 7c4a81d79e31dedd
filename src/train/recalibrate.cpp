#include "train/recalibrate.h"

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "core/random.h"
#include "data/dataset.h"
#include "exec/executor.h"
#include "ops/dropout.h"
#include "ops/norm_weights.h"
#include "train/train.h"

namespace dsc {
namespace {

constexpr std::int64_t kBatch = 128;

}  // namespace

void recalibrate_batch_norm(Model& model, std::int64_t batches, std::uint64_t seed, PassContext& context) {
  c10::NoGradGuard no_grad;
  Model copy = model.clone();
  // With momentum 1 each batch leaves its own statistics behind, which are then averaged.
  for (Node* node : copy.graph.nodes()) {
    if (node->op() == "aten.batch_norm") copy.graph.set_argument(node, "momentum", 1.0);
    if (is_dropout(*node)) copy.graph.set_argument(node, "p", 0.0);
  }
  Executor executor(copy, {.training = true, .device = context.device()});
  const Dataset& data = context.data(Split::train);
  const std::int64_t batch = std::min(batch_size(data, kBatch), data.size());
  check_batch_norms(copy.graph, batch);
  BatchLoader loader(data, {.batch = batch,
                            .shuffle = true,
                            .drop_last = true,
                            .seed = derive_seed(seed, "prune.recalibrate"),
                            .augment = true,
                            .limit = batches * batch});
  const std::vector<std::string> names = norm_statistics(copy.graph);
  std::map<std::string, at::Tensor> sums;
  std::int64_t count = 0;
  while (std::optional<Batch> next = loader.next()) {
    context.check_cancelled();
    executor.run(next->inputs);
    for (const std::string& name : names) {
      at::Tensor now = executor.weight(name).detach().to(at::kDouble);
      at::Tensor& sum = sums[name];
      sum = sum.defined() ? sum + now : now;
    }
    ++count;
  }
  for (auto& [name, sum] : sums) {
    const at::Tensor& old = model.weights.get(name);
    model.weights.set(name, (sum / static_cast<double>(count)).to(old.scalar_type()).to(old.device()));
  }
}

}  // namespace dsc
