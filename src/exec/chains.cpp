#include "exec/chains.h"

#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>

#include "exec/kernels/live_batch_norm.h"
#include "exec/kernels/rectified_convolution.h"
#include "exec/kernels/training_kernels.h"
#include "ops/arguments.h"

namespace dsc {
namespace {

struct Rectifier {
  const Value* value = nullptr;
  double ceiling = std::numeric_limits<double>::infinity();
};

std::optional<Rectifier> find_rectifier(const Node& node) {
  if (node.is("aten.relu.default") || node.is("aten.relu_.default")) return Rectifier{node.find_value("self")};
  if (node.is("aten.relu6.default") || node.is("aten.relu6_.default")) return Rectifier{node.find_value("self"), 6};
  if (!node.is("aten.hardtanh.default") && !node.is("aten.hardtanh_.default")) return std::nullopt;
  const std::optional<double> low = number_of(node, "min_val"), high = number_of(node, "max_val");
  if (low != 0.0 || !high || *high <= 0) return std::nullopt;
  return Rectifier{node.find_value("self"), *high};
}

using KernelOf = Builtin (*)(const Node& head);

Builtin kernel_in_training(const Node& node) {
  if (node.is("aten.batch_norm.default")) return rectified_batch_norm;
  if (node.is(kLiveBatchNorm)) return rectified_live_batch_norm;
  return nullptr;
}

Builtin kernel_in_evaluation(const Node& node) { return node.is("aten.conv2d.default") ? rectified_convolution : nullptr; }

class Joiner {
 public:
  Joiner(const std::vector<Step>& steps, KernelOf kernel_of) : steps_(steps), kernel_of_(kernel_of) {
    for (std::size_t i = 0; i < steps.size(); ++i) place_[steps[i].node] = i;
  }

  std::vector<Step> join() const {
    std::vector<bool> gone(steps_.size(), false);
    std::vector<std::optional<Step>> joined(steps_.size());
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const std::optional<Chain> chain = find_chain(i);
      if (!chain) continue;
      joined[i] = make_step(*chain);
      gone[chain->head] = true;
      if (chain->sum) gone[*chain->sum] = true;
    }
    std::vector<Step> result;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (!gone[i]) result.push_back(joined[i] ? std::move(*joined[i]) : steps_[i]);
    }
    return result;
  }

 private:
  struct Chain {
    std::size_t head = 0, rectifier = 0;
    std::optional<std::size_t> sum = {};
    bool head_is_self = true;  // of the sum
    double ceiling = 0;
  };
  struct Sum {
    const Value* head = nullptr;
    bool head_is_self = true;
  };

  bool is_head(const Value* value) const {
    return value && value->producer() && value->uses().size() == 1 && kernel_of_(*value->producer()) && value->is_tensor() &&
           value->tensor().sizes.size() == 4;
  }

  std::optional<Sum> find_sum(const Node& node) const {
    const bool in_place = node.is("aten.add_.Tensor");
    if (!in_place && !node.is("aten.add.Tensor")) return std::nullopt;
    if (node.find_argument("alpha") && number_of(node, "alpha") != 1.0) return std::nullopt;
    const Value *self = node.find_value("self"), *other = node.find_value("other");
    if (!self || !other || !self->is_tensor() || !other->is_tensor()) return std::nullopt;
    if (is_head(self)) return Sum{self, true};
    return is_head(other) && !in_place ? std::optional(Sum{other, false}) : std::nullopt;
  }

  std::optional<Chain> find_chain(std::size_t i) const {
    const std::optional<Rectifier> rectifier = find_rectifier(*steps_[i].node);
    if (!rectifier || !rectifier->value || !rectifier->value->producer() || rectifier->value->uses().size() != 1) return std::nullopt;
    const Value* value = rectifier->value;
    Chain chain{.rectifier = i, .ceiling = rectifier->ceiling};
    if (!is_head(value)) {
      const std::optional<Sum> sum = find_sum(*value->producer());
      if (!sum) return std::nullopt;
      chain.sum = place_.at(value->producer());
      chain.head_is_self = sum->head_is_self;
      value = sum->head;
    }
    chain.head = place_.at(value->producer());
    return stays_the_same(chain) ? std::optional(chain) : std::nullopt;
  }

  bool stays_the_same(const Chain& chain) const {
    const std::size_t mode = steps_[chain.head].mode;
    if (steps_[chain.rectifier].mode != mode || (chain.sum && steps_[*chain.sum].mode != mode)) return false;
    for (std::size_t i = chain.head + 1; i < chain.rectifier; ++i) {
      if (i != chain.sum && writes_operands(steps_[i])) return false;
    }
    return true;
  }

  // The head's arguments, then the addend or none, then the ceiling.
  Step make_step(const Chain& chain) const {
    Step step = steps_[chain.rectifier];
    const Step& head = steps_[chain.head];
    step.builtin = kernel_of_(*head.node);
    step.prepare = head.prepare;
    step.stack = head.stack;
    const std::size_t addend = step.stack.entries.size();
    step.stack.entries.emplace_back();
    step.stack.entries.emplace_back(chain.ceiling);
    if (!chain.sum) return step;
    for (Fill fill : steps_[*chain.sum].stack.fills) {
      if (fill.position != (chain.head_is_self ? 1U : 0U)) continue;  // of add(self, other, alpha)
      fill.position = addend;
      step.stack.fills.push_back(std::move(fill));
    }
    return step;
  }

  const std::vector<Step>& steps_;
  KernelOf kernel_of_;
  std::unordered_map<const Node*, std::size_t> place_;
};

}  // namespace

std::vector<Step> join_chains(const std::vector<Step>& steps, bool training) {
  return Joiner(steps, training ? kernel_in_training : kernel_in_evaluation).join();
}

}  // namespace dsc
