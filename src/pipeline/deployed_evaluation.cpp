#include "pipeline/deployed_evaluation.h"

#include "core/interrupt.h"
#include "core/log.h"
#include "deploy/openvino_engine.h"

namespace dsc {

EngineChoice deployment_engine(const Recipe& recipe) {
  return recipe.deploy.openvino ? deployed_choice(*recipe.deploy.openvino) : EngineChoice{.engine = "libtorch", .device = recipe.device};
}

Evaluation evaluate_deployed_form(Engine& engine, const Model& base, const Recipe& recipe, const PreparedRun& run, const std::string& title) {
  const auto reference = make_engine(base, {.engine = "libtorch", .device = recipe.device}, static_cast<int>(recipe.threads));
  Progress progress(title);
  EvaluateOptions options;
  options.metrics = run.resources.metrics;
  options.batch = run.resources.evaluation_batch;
  options.windows = run.resources.windows;
  options.reference = reference.get();
  options.progress = [&](std::int64_t done, std::int64_t total) {
    throw_if_interrupted();
    progress.update("evaluate", done, total);
  };
  return evaluate_examples(engine, run.resources.get_data(Split::eval, ""), options);
}

DeployedRecord describe_deployed(const Engine& engine) {
  DeployedRecord record{.engine = engine.name()};
  const auto layers = engine.layers();
  for (const auto& layer : layers) ++record.layers_by_device[layer.device];
  const auto kernels = find_int8_layers(layers);
  record.layers_total = kernels.total();
  record.layers_int8 = kernels.int8();
  record.layers_not_int8 = kernels.others;
  return record;
}

}  // namespace dsc
