// How forms of a model that are deployed beside the model itself are run and judged.
#pragma once

#include <string>

#include "eval/metrics.h"
#include "pipeline/measure.h"
#include "pipeline/prepare.h"
#include "pipeline/recipe.h"
#include "report/report.h"

namespace dsc {

// OpenVINO as `deploy.openvino` says, or LibTorch without it.
EngineChoice deployment_engine(const Recipe& recipe);

// The recipe's metrics on data.eval, beside `base`. title: of the progress. precondition: the recipe has data.eval.
Evaluation evaluate_deployed_form(Engine& engine, const Model& base, const Recipe& recipe, const PreparedRun& run, const std::string& title);

// The engine, and which of its layers run where and in which kernels.
DeployedRecord describe_deployed(const Engine& engine);

}  // namespace dsc
