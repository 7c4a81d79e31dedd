// Whether a data set's batches are what a model takes and predicts.
#include <nlohmann/json.hpp>

#include "data/match_columns.h"
#include "data/model_inputs.h"
#include "data/open.h"
#include "dscompress/error.h"
#include "ir/describe.h"
#include "ir/dim_expression.h"

namespace dsc {
namespace {

// Of examples in a batch: "f32[N, 3, 32, 32]".
std::string describe_batch_of(const TensorType& example) {
  std::string text = std::string(to_string(example.dtype)) + "[N";
  for (const Dim& dim : example.sizes) text += ", " + describe_dim(dim);
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

const Value* first_output(const Graph& graph) {
  for (const GraphOutput& output : graph.outputs()) {
    if (output.kind != OutputKind::user) continue;
    if (Value* const* value = std::get_if<Value*>(&output.value); value && *value && (*value)->is_tensor()) return *value;
  }
  return nullptr;
}

// batch: the size that all inputs were exported for, or 0.
void check_input(const DatasetInfo& info, const GraphInput& input, std::size_t i, std::int64_t batch, std::vector<Problem>& problems) {
  const TensorType& wanted = input.value->tensor();
  const TensorType& example = info.inputs[i];
  if (!same_examples(wanted, example)) {
    problems.push_back({info.description + " gives " + describe_batch_of(example) + " for input `" + input.target + "`, the model takes " +
                            describe_type(input.value->type()),
                        {.file = {}, .pointer = "%" + input.value->name()},
                        info.longest > 0 ? "fill batches up with `padding: max_length`, or export the model with --dynamic batch,sequence"
                                         : "use data of that shape and type, or export the model for this data"});
  } else if (wanted.sizes[0].is_fixed() && batch == 0) {
    problems.push_back({"the model's input `" + input.target + "` has a fixed batch of " + std::to_string(wanted.sizes[0].size) + ", and others have not",
                        {.file = {}, .pointer = "%" + input.value->name()},
                        "export the model with a dynamic batch in all inputs: dynamic_shapes={0: Dim.AUTO}, as scripts/export_model.py does"});
  }
}

// Symbolic sizes have a largest value where the exporter found one: as many positions as a model has embeddings for.
std::optional<std::int64_t> largest_size(const Model& model, const Dim& dim) {
  const auto found = model.archive.json.find("range_constraints");
  if (dim.is_fixed() || found == model.archive.json.end()) return std::nullopt;
  const auto ranges = nlohmann::json::parse(found->second);
  const auto range = ranges.find(symbol_of(dim.expression));
  if (range == ranges.end() || !range->contains("max_val") || !(*range)["max_val"].is_number()) return std::nullopt;
  return (*range)["max_val"].get<std::int64_t>();
}

void check_length(const DatasetInfo& info, const Model& model, const GraphInput& input, std::vector<Problem>& problems) {
  const TensorType& wanted = input.value->tensor();
  const auto most = wanted.rank() > 1 && info.longest > 0 ? largest_size(model, wanted.sizes[1]) : std::nullopt;
  if (!most || info.longest <= *most) return;
  problems.push_back({info.description + " has examples of " + std::to_string(info.longest) + " tokens, the model's input `" + input.target + "` takes " +
                          std::to_string(*most) + " at most",
                      {.file = {}, .pointer = "%" + input.value->name()},
                      "set max_length: " + std::to_string(*most)});
}

void check_vocabulary(const DatasetInfo& info, const GraphInput& input, std::size_t i, std::vector<Problem>& problems) {
  if (!info.vocabulary || info.input_names[i] != "input_ids") return;
  const auto rows = embedding_rows(*input.value);
  if (!rows || *info.vocabulary <= *rows) return;
  problems.push_back({"the tokenizer of " + info.description + " has a vocabulary of " + std::to_string(*info.vocabulary) + ", the model's embedding of `" + input.target +
                          "` has " + std::to_string(*rows) + " rows",
                      {.file = {}, .pointer = "%" + input.value->name()},
                      "use the tokenizer that belongs to this model"});
}

void check_numbers(const Graph& graph, std::vector<Problem>& problems) {
  for (const GraphInput& input : graph.inputs()) {
    if (input.kind != InputKind::user || !input.value || input.value->is_tensor()) continue;
    problems.push_back({"the model's input `" + input.target + "` is a number, and data sets give tensors only", {.file = {}, .pointer = "%" + input.value->name()},
                        "export the model with that number as a constant"});
  }
}

void check_classes(const DatasetInfo& info, const Model& model, std::vector<Problem>& problems) {
  const Value* output = first_output(model.graph);
  if (!info.classes || !output || output->tensor().rank() != (info.per_pixel ? 4 : 2)) return;
  const Dim& classes = output->tensor().sizes[1];
  if (!classes.is_fixed() || classes.size >= *info.classes) return;
  const std::string where = info.largest_label_at.empty() ? "" : " (" + info.largest_label_at + ")";
  problems.push_back({info.description + " has labels up to " + std::to_string(*info.classes - 1) + where + ", the model's output `" +
                          output->name() + "` has " + std::to_string(classes.size) + " classes",
                      {.file = {}, .pointer = "%" + output->name()},
                      "use data with these classes, or a model with a head for them"});
}

}  // namespace

std::vector<Problem> check_against_model(const Dataset& dataset, const Model& model) { return check_against_model(dataset.info(), model); }

std::vector<Problem> check_against_model(const DatasetInfo& info, const Model& model) {
  std::vector<Problem> problems;
  const std::vector<const GraphInput*> inputs = model_inputs(model.graph);
  const ColumnMatch match = match_columns(info, inputs);
  for (std::size_t i = 0; i < match.columns.size(); ++i) {
    check_input(info, *inputs[i], match.columns[i], fixed_batch_of(inputs), problems);
    check_length(info, model, *inputs[i], problems);
    check_vocabulary(info, *inputs[i], match.columns[i], problems);
  }
  problems.insert(problems.end(), match.problems.begin(), match.problems.end());
  check_numbers(model.graph, problems);
  check_classes(info, model, problems);
  return problems;
}

}  // namespace dsc
