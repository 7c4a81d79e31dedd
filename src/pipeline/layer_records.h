// What a run's report says of single layers.
#pragma once

#include <vector>

#include "dscompress/model.h"
#include "deploy/openvino_engine.h"
#include "report/report.h"

namespace dsc {

// Layers with weights of two dimensions or more, in the base's order; those that only the compressed model has come last.
std::vector<LayerRecord> layer_records(const Model& base, const Model& compressed);

// Runs the engine on made-up inputs; layers that took time, each with the median of a few runs.
std::vector<ExecutedLayerRecord> executed_layers(TimingEngine& engine, const Model& model, std::int64_t batch, std::int64_t open_size);

}  // namespace dsc
