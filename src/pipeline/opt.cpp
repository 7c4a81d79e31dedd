#include "pipeline/opt.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/fields_parse.h"
#include "core/file.h"
#include "core/random.h"
#include "exec/convert.h"
#include "exec/executor.h"
#include "io/safetensors.h"
#include "ir/fingerprint.h"
#include "ir/shared_copy.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "pipeline/open_model.h"
#include "pipeline/step_context.h"

namespace dsc {
namespace {

// Variances are positive, and activations neither grow nor fade from layer to layer.
at::Tensor draw(const std::string& name, const TensorType& type) {
  std::vector<std::int64_t> sizes;
  for (const Dim& dim : type.sizes) sizes.push_back(dim.size);
  if (!is_floating(type.dtype)) return at::zeros(sizes, to_c10(type.dtype));
  at::Tensor tensor = at::empty(sizes, at::kFloat);
  const std::int64_t inputs = sizes.size() > 1 ? tensor.numel() / std::max<std::int64_t>(1, sizes[0]) : 1;
  Random random(derive_seed(0, name));
  for (std::int64_t i = 0; i < tensor.numel(); ++i) {
    const double value = (2 * random.uniform() - 1) * std::sqrt(3.0 / static_cast<double>(std::max<std::int64_t>(1, inputs)));
    tensor.data_ptr<float>()[i] = static_cast<float>(name.ends_with("running_var") ? 1 + std::abs(value) : value);
  }
  return tensor.to(to_c10(type.dtype));
}

Model read_text(const std::string& path, const std::string& weights) {
  Model model;
  model.graph = parse_graph(read_file(path), path);
  model.source = path;
  for (const GraphInput& input : model.graph.inputs()) {
    if (input.is_weight() && input.value) model.weights.set(input.target, draw(input.target, input.value->tensor()));
  }
  if (!weights.empty()) swap_weights(model, weights);
  verify_or_throw(model, "reading " + path);
  refresh_types(model, example_inputs(model, 0, 0));
  return model;
}

}  // namespace

PassStep parse_step(const std::string& text, const PassTable& table) {
  std::vector<Problem> problems;
  const auto source = std::make_shared<TreeSource>(TreeSource{.name = "--pass", .folder = std::filesystem::current_path().string()});
  const Tree tree = map_tree({{"pass", read_yaml(text, source, problems)}});
  PassStep step;
  step.table = &table;
  if (problems.empty()) parse_fields(tree, [&](FieldVisitor& visit) { visit("pass", step, {.text = "The pass and its options.", .required = true}); }, problems);
  throw_problems(std::move(problems));
  if (step.name.empty()) step.name = step.info->id;
  return step;
}

Model open_model_or_text(const std::string& path, const std::string& weights, const std::vector<std::string>& inputs) {
  if (std::filesystem::path(path).extension() == ".txt") return read_text(path, weights);
  Model model = open_model(path, weights, inputs);
  bring_into_form(model, true);
  return model;
}

RunResources bare_resources() { return RunResources(); }

RunResources resources_of(const Recipe& recipe, const std::string& model, const std::string& weights) {
  if (std::filesystem::path(model).extension() == ".txt") {
    throw Error(ErrorCode::usage, "a recipe's data goes with a model file, and this is the text form of a graph", {.file = model}, "give the .pt2, or leave --recipe out");
  }
  Recipe own = recipe;
  own.model = {};
  own.model.path.path = model;
  own.model.weights.path = weights;
  RunResources resources = prepare_run(own).resources;
  resources.latencies_ms = {};  // they belong to `own`
  return resources;
}

PassResult run_alone(const PassStep& step, Model& model, RunResources& resources, std::uint64_t seed) {
  if (step.info->check) {
    if (auto problems = step.info->check(model, step.options.get()); !problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  }
  const Model base = shared_copy(model);
  resources.base = &base;
  RunState state;
  ResumePoint resume;
  StepContext context(resources, state, resume, step, seed, step.name);
  const std::string before = fingerprint_of(model);
  PassResult result = step.info->run(model, step.options.get(), context);
  result.notes.insert(result.notes.begin(), state.record.notes.begin(), state.record.notes.end());
  resources.base = nullptr;
  verify_or_throw(model, step.name);
  const bool changed = fingerprint_of(model) != before;
  if (changed != result.changed) {
    throw Error(ErrorCode::internal, "the pass " + step.info->id + (changed ? " changed the model and says that it did not" : " says that it changed the model and did not"));
  }
  return result;
}

}  // namespace dsc
