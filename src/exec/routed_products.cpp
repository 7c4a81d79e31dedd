#include "exec/routed_products.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "exec/kernels/routed_product.h"
#include "ops/arguments.h"
#include "ops/experts.h"

namespace dsc {
namespace {

class ProductJoiner {
 public:
  ProductJoiner(const std::vector<Step>& steps, const SlotMap& slots) : steps_(steps), slots_(slots), joined_(steps), gone_(steps.size(), false) {
    for (std::size_t i = 0; i < steps.size(); ++i) place_[steps[i].node] = i;
  }

  std::vector<Step> join() {
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const auto product = find_routed_product(*steps_[i].node);
      if (!product || !stays_the_same(*product, i)) continue;
      joined_[i] = make_step(*product, i);
      for (const Node* node : product->between) gone_[place_.at(node)] = true;
    }
    std::vector<Step> result;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (!gone_[i]) result.push_back(std::move(joined_[i]));
    }
    return result;
  }

 private:
  bool stays_the_same(const RoutedProduct& product, std::size_t i) const {
    const auto is_for_it_alone = [&](const Node* node) {
      return node->output()->uses().size() == 1 && node->output()->uses().front().node && steps_[place_.at(node)].mode == steps_[i].mode;
    };
    const auto begin = steps_.begin() + static_cast<std::ptrdiff_t>(place_.at(product.between.front()));
    return std::all_of(product.between.begin(), product.between.end(), is_for_it_alone) &&
           std::none_of(begin, steps_.begin() + static_cast<std::ptrdiff_t>(i), writes_operands);
  }

  Step make_step(const RoutedProduct& product, std::size_t i) const {
    Step step = steps_[i];
    step.builtin = routed_product;
    step.prepare = nullptr;
    step.stack = {.entries = {{}, {}, {}, product.transposed, product.matrices_left}, .fills = {}};
    std::size_t position = 0;
    for (const Value* value : {value_of(product.stack), product.experts, product.input}) {
      Fill fill;
      fill.position = position++;
      fill.as_is = true;
      fill.operands.push_back(Operand{.slot = slots_.at(value), .move = false, .constant = {}});
      step.stack.fills.push_back(std::move(fill));
    }
    return step;
  }

  const std::vector<Step>& steps_;
  const SlotMap& slots_;
  std::vector<Step> joined_;
  std::vector<bool> gone_;
  std::unordered_map<const Node*, std::size_t> place_;
};

}  // namespace

std::vector<Step> join_routed_products(const std::vector<Step>& steps, const SlotMap& slots) { return ProductJoiner(steps, slots).join(); }

}  // namespace dsc
