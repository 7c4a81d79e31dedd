// Types after a rewrite, from runs on small real tensors.
//
// One run gives sizes; one more for each symbol of the inputs, with that symbol changed, tells which sizes depend on it.
// A symbolic size whose expression still holds in all runs keeps it; otherwise a new one is fitted. The exporter may give
// inputs different symbols for what must be one size (the batch of ids and of their mask): symbols of equal size at the
// same dimension of different inputs are changed together.
#include <ATen/ops/cat.h>

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "dscompress/error.h"
#include "exec/convert.h"
#include "exec/executor.h"
#include "ir/dim_expression.h"
#include "ir/dim_fit.h"

namespace dsc {
namespace {

struct Seen {
  ScalarType dtype;
  std::vector<std::int64_t> sizes;
};
using Observation = std::unordered_map<const Value*, Seen>;

using SymbolGroup = std::vector<std::string>;
struct Run {
  SymbolValues symbols;
  Observation values;
};

// A run may change buffers in place; parameters it does not touch.
Weights with_own_buffers(const Model& model) {
  Weights weights = model.weights;
  for (const GraphInput& input : model.graph.inputs()) {
    if (input.kind == InputKind::buffer || input.kind == InputKind::constant) {
      weights.set(input.target, model.weights.get(input.target).clone());
    }
  }
  return weights;
}

class Refresher {
 public:
  Refresher(Model& model, const std::vector<at::Tensor>& inputs)
      : model_(model), weights_(with_own_buffers(model)), executor_(model.graph, weights_, {}) {
    for (const GraphInput& input : model.graph.inputs()) {
      if (input.value && input.value->is_tensor()) values_.push_back(input.value);
    }
    for (const Node* node : model.graph.nodes()) {
      for (const Value* value : node->outputs()) {
        if (value->is_tensor()) values_.push_back(value);
      }
    }
    base_ = observe(inputs);
    for (const SymbolGroup& group : groups()) {
      varied_.emplace_back(group, observe(vary(inputs, group, base_.symbols.at(group.front()))));
    }
  }

  void set_types() {
    for (const Value* value : values_) {
      const auto seen = base_.values.find(value);
      if (seen == base_.values.end()) continue;
      TensorType type = value->tensor();
      const std::vector<Dim> sizes = infer_sizes(*value, seen->second);
      if (type.dtype == seen->second.dtype && type.sizes == sizes) continue;
      type.dtype = seen->second.dtype;
      type.sizes = sizes;
      type.strides.clear();
      model_.graph.set_type(model_.graph.find_value(value->name()), std::move(type));
    }
  }

 private:
  Run observe(const std::vector<at::Tensor>& inputs) {
    Run run;
    std::size_t next = 0;
    for (const GraphInput& input : model_.graph.inputs()) {
      if (input.kind != InputKind::user || !input.value) continue;
      if (input.value->is_tensor() && next < inputs.size()) read_symbols(*input.value, inputs[next], run.symbols);
      ++next;
    }
    executor_.run(inputs, values_, [&](const Value& value, const at::Tensor& tensor) {
      run.values[&value] = {from_c10(tensor.scalar_type()), tensor.sizes().vec()};
    });
    return run;
  }

  void read_symbols(const Value& value, const at::Tensor& tensor, SymbolValues& symbols) {
    const std::vector<Dim>& sizes = value.tensor().sizes;
    for (std::size_t i = 0; i < sizes.size() && i < static_cast<std::size_t>(tensor.dim()); ++i) {
      const std::string name = sizes[i].is_fixed() ? "" : symbol_of(sizes[i].expression);
      if (name.empty()) continue;
      symbols.emplace(name, tensor.size(static_cast<std::int64_t>(i)));
      if (expressions_.emplace(name, sizes[i].expression).second) met_.push_back(name);
      hints_.emplace(name, sizes[i].size);
      positions_.emplace(name, i);
    }
  }

  std::vector<SymbolGroup> groups() const {
    std::map<std::pair<std::size_t, std::int64_t>, SymbolGroup> by_place;
    for (const std::string& name : met_) by_place[{positions_.at(name), base_.symbols.at(name)}].push_back(name);
    std::vector<SymbolGroup> out;
    for (auto& [place, group] : by_place) out.push_back(std::move(group));
    return out;
  }

  // The inputs with the symbols' size one smaller, or one larger where that would leave 0 or 1.
  std::vector<at::Tensor> vary(std::vector<at::Tensor> inputs, const SymbolGroup& group, std::int64_t size) const {
    std::size_t next = 0;
    for (const GraphInput& input : model_.graph.inputs()) {
      if (input.kind != InputKind::user || !input.value) continue;
      at::Tensor& tensor = inputs[next++];
      if (!input.value->is_tensor()) continue;
      const std::vector<Dim>& sizes = input.value->tensor().sizes;
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        if (sizes[i].is_fixed()) continue;
        if (std::find(group.begin(), group.end(), symbol_of(sizes[i].expression)) == group.end()) continue;
        const auto dim = static_cast<std::int64_t>(i);
        tensor = size > 2 ? tensor.narrow(dim, 0, size - 1) : at::cat({tensor, tensor.narrow(dim, 0, 1)}, dim);
      }
    }
    return inputs;
  }

  std::vector<Dim> infer_sizes(const Value& value, const Seen& seen) const {
    const std::vector<Dim>& old = value.tensor().sizes;
    std::vector<Dim> sizes;
    for (std::size_t i = 0; i < seen.sizes.size(); ++i) {
      sizes.push_back(infer(value, i, old.size() == seen.sizes.size() ? &old[i] : nullptr));
    }
    return sizes;
  }

  std::int64_t size_in(const Run& run, const Value& value, std::size_t i) const {
    const auto seen = run.values.find(&value);
    const bool known = seen != run.values.end() && i < seen->second.sizes.size();
    return known ? seen->second.sizes[i] : base_.values.at(&value).sizes[i];
  }

  bool holds(const Dim& dim, const Value& value, std::size_t i) const {
    const auto fits = [&](const Run& run) {
      const std::optional<std::int64_t> size = evaluate_dim(dim.expression, run.symbols);
      return !size || *size == size_in(run, value, i);  // one that depends on data cannot be checked
    };
    bool all = fits(base_);
    for (const auto& [group, run] : varied_) all = all && fits(run);
    return all;
  }

  Dim infer(const Value& value, std::size_t i, const Dim* old) const {
    if (old && !old->is_fixed() && holds(*old, value, i)) return *old;
    std::vector<SizeSample> samples{{&base_.symbols, size_in(base_, value, i)}};
    for (const auto& [group, run] : varied_) samples.push_back({&run.symbols, size_in(run, value, i), group.front()});
    const std::optional<std::string> expression = fit_size(samples, expressions_);
    if (!expression) {
      throw Error(ErrorCode::internal, "dimension " + std::to_string(i) + " of %" + value.name() +
                                           " depends on the inputs' sizes in a way that cannot be written");
    }
    if (expression->empty()) return {samples.front().size, {}};
    Dim dim{-1, *expression};
    dim.size = evaluate_dim(dim.expression, hints_).value_or(-1);
    return dim;
  }

  Model& model_;
  Weights weights_;
  Executor executor_;
  std::vector<const Value*> values_;
  std::vector<std::string> met_;                      // symbols in the inputs' order: the first of a group names new sizes
  std::map<std::string, std::string, std::less<>> expressions_;  // of each symbol alone
  std::map<std::string, std::size_t> positions_;      // the dimension where it is first met
  SymbolValues hints_;
  Run base_;
  std::vector<std::pair<SymbolGroup, Run>> varied_;
};

}  // namespace

void refresh_types(Model& model, const std::vector<at::Tensor>& inputs) { Refresher(model, inputs).set_types(); }

}  // namespace dsc
