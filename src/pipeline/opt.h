// Passes on one model outside of a run: to see what a pass does to a graph, and to make a failing step small.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/prepare.h"
#include "pipeline/recipe.h"

namespace dsc {

// "prune: {reduce: {macs: 0.5}}", as in a recipe's `passes`. errors: recipe, with the place in the text.
PassStep parse_step(const std::string& text, const PassTable& table);

// Reads a model as open_model does, brought into the form that passes work on, or a graph's text form (.txt). Tensors of a text
// form come from `weights` (.safetensors), or else are drawn from a seed, as large as those of layers at
// their start.
Model open_model_or_text(const std::string& path, const std::string& weights, const std::vector<std::string>& inputs);

// What steps outside of a run are given: nothing but the model as it is, or the data, device and metrics of a recipe.
RunResources bare_resources();
RunResources resources_of(const Recipe& recipe, const std::string& model, const std::string& weights);

// Checks and runs a step on the model, and verifies the result. errors: those of the pass; internal, where it says of itself whether it
// changed anything and that is not so.
PassResult run_alone(const PassStep& step, Model& model, RunResources& resources, std::uint64_t seed);

}  // namespace dsc
