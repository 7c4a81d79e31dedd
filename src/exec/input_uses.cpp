#include "exec/input_uses.h"

#include <ATen/ops/max.h>

#include <algorithm>
#include <deque>
#include <set>
#include <string_view>

#include "ops/arguments.h"
#include "ops/op_traits.h"

namespace dsc {
namespace {

constexpr double kHidden = -1e4;          // what masks add to scores is at most this

std::string_view argument_of(const Use& use) { return use.node->arguments()[use.argument].name; }

bool is_data(std::string_view argument) { return argument == "self" || argument == "tensors" || argument == "input"; }

// Whether values go on as they are, in another shape, type or place.
bool keeps_values(const Node& node) {
  const OpTraits& traits = traits_in_any_form(node);
  return traits.moves_elements || traits.keeps_tensor || traits.collects_elements;
}

class IndexSearch {
 public:
  IndexSearch(const Model& model, const SymbolValues& symbols) : model_(model), symbols_(symbols) {}

  std::optional<IndexUse> run(const Value& input) {
    open_.push_back({&input, 0});
    while (!open_.empty()) {
      const Step step = open_.front();
      open_.pop_front();
      if (!seen_.insert(step.value).second) continue;
      for (const Use& use : step.value->uses()) {
        if (use.node) look_at(use, step);
      }
    }
    return found_;
  }

 private:
  struct Step {
    const Value* value;
    std::int64_t added;  // to the input's values on the way
  };

  void look_at(const Use& use, const Step& step) {
    const std::string_view op = plain_op(*use.node), argument = argument_of(use);
    const PositionOperand* positions = traits_in_any_form(*use.node).positions;
    if (positions && positions->index == argument) return limit(count_of_positions(use, *positions), positions->data == "weight", step.added);
    if (op == "aten.add" || op == "aten.sub") return shift(use, step);
    if (keeps_values(*use.node) && is_data(argument)) go_on(*use.node, step.added);
  }

  // -1: not known.
  std::int64_t count_of_positions(const Use& use, const PositionOperand& positions) const {
    switch (positions.in) {
      case PositionsIn::dimension:
        return dimension(*use.node, positions.data, int_or(*use.node, "dim", 0));
      case PositionsIn::own_dimensions:
        return dimension(*use.node, positions.data, static_cast<std::int64_t>(use.element));
      case PositionsIn::all_elements:
        return element_count(*use.node, positions.data);
      case PositionsIn::classes:
        return dimension(*use.node, positions.data, 1);
      case PositionsIn::class_count:
        return int_or(*use.node, "num_classes", -1);
    }
    return -1;
  }

  void go_on(const Node& node, std::int64_t added) {
    for (const Value* output : node.outputs()) open_.push_back({output, added});
  }

  // A whole number or a constant tensor is added or taken away.
  void shift(const Use& use, const Step& step) {
    const bool is_first = argument_of(use) == "self";
    const Argument* other = use.node->find_argument(is_first ? "other" : "self");
    if (!other || (plain_op(*use.node) == "aten.sub" && !is_first)) return;
    std::int64_t by = 0;
    if (const auto* number = std::get_if<std::int64_t>(other)) {
      by = *number;
    } else if (const auto* value = std::get_if<Value*>(other)) {
      const GraphInput* input = model_.graph.find_input(*value);
      if (!input || !input->is_weight()) return;
      const at::Tensor constant = model_.weights.get(input->target);
      if (constant.is_floating_point() || constant.numel() == 0) return;
      by = constant.max().item<std::int64_t>();
    } else {
      return;
    }
    go_on(*use.node, step.added + (plain_op(*use.node) == "aten.sub" ? -by : by));
  }

  std::int64_t dimension(const Node& node, std::string_view data, std::int64_t dim) const {
    const Value* value = node.find_value(data);
    if (!value || !value->is_tensor() || value->tensor().rank() == 0) return -1;
    const std::int64_t rank = value->tensor().rank(), wrapped = std::min(dim < 0 ? dim + rank : dim, rank - 1);
    return wrapped < 0 ? -1 : size_of(value->tensor().sizes[static_cast<std::size_t>(wrapped)], symbols_);
  }

  std::int64_t element_count(const Node& node, std::string_view data) const {
    const Value* value = node.find_value(data);
    if (!value || !value->is_tensor()) return -1;
    std::int64_t count = 1;
    for (const Dim& dim : value->tensor().sizes) count *= size_of(dim, symbols_);
    return count;
  }

  void limit(std::int64_t size, bool is_table, std::int64_t added) {
    if (size <= 0) return;
    const std::int64_t bound = std::max<std::int64_t>(1, size - added);
    found_ = found_ ? IndexUse{std::min(found_->bound, bound), found_->is_table && is_table} : IndexUse{bound, is_table};
  }

  const Model& model_;
  const SymbolValues& symbols_;
  std::deque<Step> open_;
  std::set<const Value*> seen_;
  std::optional<IndexUse> found_;
};

// The one number that an argument stands for: a literal, a filled tensor, a constant of one element.
std::optional<double> number_in(const Model& model, const Argument& argument) {
  if (const auto number = number_of(argument)) return number;
  const auto* value = std::get_if<Value*>(&argument);
  if (!value || !*value) return std::nullopt;
  if (const GraphInput* input = model.graph.find_input(*value)) {
    if (!input->is_weight() || model.weights.get(input->target).numel() != 1) return std::nullopt;
    return model.weights.get(input->target).item<double>();
  }
  const Node* node = (*value)->producer();
  for (const char* name : {"fill_value", "s", "self", "input"}) {
    const Argument* inner = node && (keeps_values(*node) || node->op().starts_with("aten.full") || node->op() == "aten.scalar_tensor")
                                ? node->find_argument(name)
                                : nullptr;
    if (inner && (std::string_view(name) != "self" || keeps_values(*node))) return number_in(model, *inner);
  }
  return std::nullopt;
}

bool is_hidden(const Model& model, const Node& node, std::string_view name) {
  const Argument* argument = node.find_argument(name);
  const auto number = argument ? number_in(model, *argument) : std::nullopt;
  return number && *number <= kHidden;
}

class MaskSearch {
 public:
  explicit MaskSearch(const Model& model) : model_(model) {}

  MaskSense run(const Value& input) {
    open_.push_back({&input, false});
    while (!open_.empty() && sense_ == MaskSense::unknown) {
      const Step step = open_.front();
      open_.pop_front();
      if (!seen_.insert(step.value).second) continue;
      for (const Use& use : step.value->uses()) {
        if (use.node && sense_ == MaskSense::unknown) look_at(use, step.is_inverted);
      }
    }
    return sense_;
  }

 private:
  struct Step {
    const Value* value;
    bool is_inverted;
  };

  void look_at(const Use& use, bool inverted) {
    const Node& node = *use.node;
    const MaskOperand& mask = traits_in_any_form(node).mask;
    const std::string_view argument = argument_of(use);
    if (!mask.argument.empty() && argument != mask.argument) return;
    switch (mask.use) {
      case MaskUse::none:
        if (keeps_values(node) && is_data(argument)) go_on(node, inverted);
        return;
      case MaskUse::hides:
        return settle(MaskSense::hides, inverted);
      case MaskUse::shows:
        return settle(MaskSense::shows, inverted);
      case MaskUse::chooses:
        return look_at_choice(node, inverted);
      case MaskUse::weighs:
        return settle(is_hidden(model_, node, argument == "self" ? "other" : "self") ? MaskSense::hides : MaskSense::shows, inverted);
      case MaskUse::combines:
        return go_on(node, inverted);
      case MaskUse::inverts:
        return go_on(node, !inverted);
      case MaskUse::combines_beside_zero:
      case MaskUse::inverts_beside_zero:
        if (is_beside_zero(node)) go_on(node, inverted != (mask.use == MaskUse::inverts_beside_zero));
        return;
    }
  }

  void go_on(const Node& node, bool inverted) {
    for (const Value* output : node.outputs()) open_.push_back({output, inverted});
  }

  void look_at_choice(const Node& node, bool inverted) {
    if (is_hidden(model_, node, "other")) settle(MaskSense::shows, inverted);
    else if (is_hidden(model_, node, "self")) settle(MaskSense::hides, inverted);
  }

  bool is_beside_zero(const Node& node) const {
    const Argument* other = node.find_argument("other");
    const auto number = other ? number_in(model_, *other) : std::nullopt;
    return number && *number == 0;
  }

  void settle(MaskSense sense, bool inverted) { sense_ = !inverted ? sense : sense == MaskSense::shows ? MaskSense::hides : MaskSense::shows; }

  const Model& model_;
  std::deque<Step> open_;
  std::set<const Value*> seen_;
  MaskSense sense_ = MaskSense::unknown;
};

}  // namespace

std::int64_t size_of(const Dim& dim, const SymbolValues& symbols) {
  if (dim.is_fixed()) return dim.size;
  return evaluate_dim(dim.expression, symbols).value_or(dim.size > 0 ? dim.size : kUnknownSize);
}

std::optional<IndexUse> find_index_use(const Model& model, const Value& input, const SymbolValues& symbols) { return IndexSearch(model, symbols).run(input); }

bool is_bag_offsets(const Value& input) {
  return std::ranges::any_of(input.uses(), [](const Use& use) {
    const PositionOperand* positions = use.node ? traits_of(*use.node).positions : nullptr;
    return positions && !positions->starts.empty() && positions->starts == argument_of(use);
  });
}

MaskSense find_mask_sense(const Model& model, const Value& input) { return MaskSearch(model).run(input); }

}  // namespace dsc
