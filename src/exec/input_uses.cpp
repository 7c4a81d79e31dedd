#include "exec/input_uses.h"

#include <ATen/ops/max.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <set>
#include <string>
#include <string_view>

#include "ops/arguments.h"

namespace dsc {
namespace {

constexpr double kHidden = -1e4;          // what masks add to scores is at most this

// Operators that hand values on as they are, in another shape, type or place.
bool keeps_values(std::string_view op) {
  static const std::set<std::string_view> names{
      "aten.view", "aten.reshape", "aten.slice", "aten.to", "aten._to_copy", "aten.clone", "aten.contiguous", "aten.index",
      "aten.unsqueeze", "aten.squeeze", "aten.expand", "aten.alias", "aten.detach", "aten.permute", "aten.transpose", "aten._unsafe_view",
      "aten.t", "aten.flatten", "aten.select", "aten.index_select", "aten.cat", "aten.lift_fresh_copy", "aten.unbind", "aten.repeat"};
  return names.contains(op);
}

std::string_view argument_of(const Use& use) { return use.node->arguments()[use.argument].name; }

bool is_data(std::string_view argument) { return argument == "self" || argument == "tensors" || argument == "input"; }

// The operator without the underscore of its in-place form.
std::string_view plain(const Node& node) {
  std::string_view op = node.op();
  if (op.ends_with('_')) op.remove_suffix(1);
  return op;
}

struct Lookup {
  std::string_view op, index, data;
};
// Operators that look positions of one dimension of `data` up: the one that `dim` names, 0 where there is no such argument.
constexpr std::array<Lookup, 15> kLookups{{{"aten.embedding", "indices", "weight"},
                                           {"aten.embedding_bag", "indices", "weight"},
                                           {"aten._embedding_bag", "indices", "weight"},
                                           {"aten.gather", "index", "self"},
                                           {"aten.take_along_dim", "indices", "self"},
                                           {"aten.index_select", "index", "self"},
                                           {"aten.index_add", "index", "self"},
                                           {"aten.index_copy", "index", "self"},
                                           {"aten.index_fill", "index", "self"},
                                           {"aten.index_reduce", "index", "self"},
                                           {"aten.scatter", "index", "self"},
                                           {"aten.scatter_add", "index", "self"},
                                           {"aten.scatter_reduce", "index", "self"},
                                           {"aten.nll_loss_nd", "target", "self"},
                                           {"aten.cross_entropy_loss", "target", "self"}}};

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
    const std::string_view op = plain(*use.node), argument = argument_of(use);
    const auto lookup = std::ranges::find_if(kLookups, [&](const Lookup& row) { return row.op == op && row.index == argument; });
    if (lookup != kLookups.end()) return bound_by(use, *lookup, step.added);
    if ((op == "aten.index" || op == "aten.index_put" || op == "aten._unsafe_index") && argument == "indices") return limit(dimension(*use.node, "self", static_cast<std::int64_t>(use.element)), false, step.added);
    if (op == "aten.take" && argument == "index") return limit(element_count(*use.node), false, step.added);
    if (op == "aten.one_hot") return limit(number_of(*use.node, "num_classes", -1), false, step.added);
    if (op == "aten.add" || op == "aten.sub") return shift(use, step);
    if (keeps_values(op) && is_data(argument)) go_on(*use.node, step.added);
  }

  void bound_by(const Use& use, const Lookup& lookup, std::int64_t added) {
    const bool is_loss = lookup.index == "target";
    limit(dimension(*use.node, lookup.data, is_loss ? 1 : number_of(*use.node, "dim", 0)), lookup.data == "weight", added);
  }

  void go_on(const Node& node, std::int64_t added) {
    for (const Value* output : node.outputs()) open_.push_back({output, added});
  }

  // A whole number or a constant tensor is added or taken away.
  void shift(const Use& use, const Step& step) {
    const bool is_first = argument_of(use) == "self";
    const Argument* other = use.node->find_argument(is_first ? "other" : "self");
    if (!other || (plain(*use.node) == "aten.sub" && !is_first)) return;
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
    go_on(*use.node, step.added + (plain(*use.node) == "aten.sub" ? -by : by));
  }

  static std::int64_t number_of(const Node& node, std::string_view name, std::int64_t otherwise) {
    const Argument* argument = node.find_argument(name);
    const auto* number = argument ? std::get_if<std::int64_t>(argument) : nullptr;
    return number ? *number : otherwise;
  }

  std::int64_t dimension(const Node& node, std::string_view data, std::int64_t dim) const {
    const Value* value = node.find_value(data);
    if (!value || !value->is_tensor() || value->tensor().rank() == 0) return -1;
    const std::int64_t rank = value->tensor().rank(), wrapped = std::min(dim < 0 ? dim + rank : dim, rank - 1);
    return wrapped < 0 ? -1 : size_of(value->tensor().sizes[static_cast<std::size_t>(wrapped)], symbols_);
  }

  std::int64_t element_count(const Node& node) const {
    const Value* value = node.find_value("self");
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
    const Argument* inner = node && (keeps_values(node->op()) || node->op().starts_with("aten.full") || node->op() == "aten.scalar_tensor") ? node->find_argument(name) : nullptr;
    if (inner && (std::string_view(name) != "self" || keeps_values(node->op()))) return number_in(model, *inner);
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
    static const std::set<std::string_view> kCombining{"aten.logical_and", "aten.logical_or", "aten.bitwise_and", "aten.bitwise_or", "aten.__and__", "aten.__or__", "_operator.and_", "_operator.or_"};
    const Node& node = *use.node;
    const std::string_view op = plain(node), argument = argument_of(use);
    if (op == "aten.masked_fill" && argument == "mask") return settle(MaskSense::hides, inverted);
    if (op == "aten.scaled_dot_product_attention" && argument == "attn_mask") return settle(MaskSense::shows, inverted);
    if (op == "aten.where" && argument == "condition") return look_at_where(node, inverted);
    if (op == "aten.mul") return is_hidden(model_, node, argument == "self" ? "other" : "self") ? settle(MaskSense::hides, inverted) : settle(MaskSense::shows, inverted);
    const bool flips = op == "aten.logical_not" || op == "aten.bitwise_not" || op == "aten.rsub" || (op == "aten.eq" && is_zero(node));
    const bool passes = flips || kCombining.contains(op) || (op == "aten.ne" && is_zero(node)) || (keeps_values(op) && is_data(argument));
    if (!passes) return;
    for (const Value* output : node.outputs()) open_.push_back({output, inverted != flips});
  }

  void look_at_where(const Node& node, bool inverted) {
    if (is_hidden(model_, node, "other")) settle(MaskSense::shows, inverted);
    else if (is_hidden(model_, node, "self")) settle(MaskSense::hides, inverted);
  }

  bool is_zero(const Node& node) const {
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
    return use.node && (use.node->op() == "aten.embedding_bag" || use.node->op() == "aten._embedding_bag") && argument_of(use) == "offsets";
  });
}

MaskSense find_mask_sense(const Model& model, const Value& input) { return MaskSearch(model).run(input); }

}  // namespace dsc
