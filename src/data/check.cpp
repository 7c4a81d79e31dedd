// Whether a data set's batches are what a model takes and predicts.
#include <algorithm>

#include "data/open.h"
#include "dscompress/error.h"
#include "ir/describe.h"

namespace dsc {
namespace {

std::string shape_text(const TensorType& type, bool with_batch) {
  std::string text = std::string(to_string(type.dtype)) + "[";
  if (with_batch) text += "N";
  bool first = !with_batch;
  for (const Dim& dim : type.sizes) {
    text += (first ? "" : ", ") + describe_dim(dim);
    first = false;
  }
  return text + "]";
}

bool same_examples(const TensorType& wanted, const TensorType& example) {
  if (wanted.dtype != example.dtype || wanted.rank() != example.rank() + 1) return false;
  for (std::size_t i = 0; i < example.sizes.size(); ++i) {
    const Dim& dim = wanted.sizes[i + 1];
    if (dim.is_fixed() && dim.size != example.sizes[i].size) return false;
  }
  return true;
}

std::vector<const GraphInput*> user_inputs(const Graph& graph) {
  std::vector<const GraphInput*> inputs;
  for (const GraphInput& input : graph.inputs()) {
    if (input.kind == InputKind::user && input.value && input.value->is_tensor()) inputs.push_back(&input);
  }
  return inputs;
}

const Value* first_output(const Graph& graph) {
  for (const GraphOutput& output : graph.outputs()) {
    if (output.kind != OutputKind::user) continue;
    if (Value* const* value = std::get_if<Value*>(&output.value); value && *value && (*value)->is_tensor()) return *value;
  }
  return nullptr;
}

std::string names_text(const std::vector<const GraphInput*>& inputs) {
  std::string text;
  for (const GraphInput* input : inputs) text += (text.empty() ? "" : ", ") + input->target;
  return text;
}

void check_input(const DatasetInfo& info, const GraphInput& input, std::size_t i, std::vector<Problem>& problems) {
  const TensorType& wanted = input.value->tensor();
  const TensorType& example = info.inputs[i];
  if (!same_examples(wanted, example)) {
    problems.push_back({info.description + " gives " + shape_text(example, true) + " for input `" + input.target +
                            "`, the model takes " + shape_text(wanted, false),
                        {.file = {}, .pointer = "%" + input.value->name()},
                        "use data of that shape and type, or export the model for this data"});
  } else if (wanted.sizes[0].is_fixed()) {
    problems.push_back({"the model's input `" + input.target + "` has a fixed batch of " + std::to_string(wanted.sizes[0].size),
                        {.file = {}, .pointer = "%" + input.value->name()},
                        "export the model with a dynamic batch: dynamic_shapes={0: Dim.AUTO}, as scripts/export_model.py does"});
  }
}

// Columns that carry the inputs' names, but in another order, would be swapped unnoticed where their types agree.
void check_order(const DatasetInfo& info, const std::vector<const GraphInput*>& inputs, std::vector<Problem>& problems) {
  std::vector<std::string> wanted, given = info.input_names;
  for (const GraphInput* input : inputs) wanted.push_back(input->target);
  if (wanted == given || !std::is_permutation(wanted.begin(), wanted.end(), given.begin(), given.end())) return;
  problems.push_back({info.description + " gives the model's inputs in another order; the model takes " + names_text(inputs),
                      {},
                      "list the columns under `inputs` in the model's order"});
}

void check_classes(const DatasetInfo& info, const Model& model, std::vector<Problem>& problems) {
  const Value* output = first_output(model.graph);
  if (!info.classes || !output || output->tensor().rank() != 2) return;
  const Dim& classes = output->tensor().sizes[1];
  if (!classes.is_fixed() || classes.size >= *info.classes) return;
  problems.push_back({info.description + " has labels up to " + std::to_string(*info.classes - 1) + ", the model's output `" +
                          output->name() + "` has " + std::to_string(classes.size) + " classes",
                      {.file = {}, .pointer = "%" + output->name()},
                      "use data with these classes, or a model with a head for them"});
}

}  // namespace

std::vector<Problem> check_against_model(const Dataset& dataset, const Model& model) {
  std::vector<Problem> problems;
  const DatasetInfo& info = dataset.info();
  const std::vector<const GraphInput*> inputs = user_inputs(model.graph);
  if (inputs.size() != info.inputs.size()) {
    problems.push_back({info.description + " gives " + std::to_string(info.inputs.size()) + " inputs, the model takes " +
                            std::to_string(inputs.size()) + " (" + names_text(inputs) + ")",
                        {},
                        "for format tensors list the columns under `inputs` in the model's order"});
  } else {
    for (std::size_t i = 0; i < inputs.size(); ++i) check_input(info, *inputs[i], i, problems);
    check_order(info, inputs, problems);
  }
  check_classes(info, model, problems);
  return problems;
}

}  // namespace dsc
