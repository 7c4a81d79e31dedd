// Quantisers of the deployed form, put into the graph.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "ops/quant_placement.h"
#include "passes/quantize/ranges/observers.h"

namespace dsc::quantize {

// One row of the report.
struct QuantizerRow {
  std::string module, tensor, kind;  // kind: "activation" or "weight"
  std::int64_t bits = 8;
  std::optional<Range> range;        // that the integers cover (of all channels); none: found at run time
  std::string granularity;           // "tensor", "channel", "group 64"
  std::int64_t grids = 0, narrowed = 0;  // of a weight, and how many of them have longer steps for kernels that add in pairs
};

// As JSON text, and back.
std::string to_text(const std::vector<QuantizerRow>& rows);
std::vector<QuantizerRow> parse_rows(const std::string& text);

QuantizerRow insert_activation_quantizer(Model& model, const ActivationQuantizer& quantizer, const QuantParams& params, QuantRange range);
QuantizerRow insert_weight_quantizer(Model& model, const WeightQuantizer& quantizer, const WeightGrid& grid);

// For training quantisers, which turn into these: a node "self -> quantised" that takes the place of `node`'s arguments.
QuantizerRow become_activation_quantizer(Model& model, Node* node, const QuantParams& params, QuantRange range);
QuantizerRow become_weight_quantizer(Model& model, Node* node, const WeightGrid& grid, std::optional<std::int64_t> paired_axis);

// A new small tensor of the model, its name made unique.
Value* add_tensor(Model& model, InputKind kind, const std::string& wish, const at::Tensor& tensor);

}  // namespace dsc::quantize
