// Quantisation without training: ranges from calibration, weights rounded.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "dscompress/pass.h"
#include "passes/quantize/choose/precisions.h"
#include "passes/quantize/ranges/observers.h"
#include "passes/quantize/rewrite.h"
#include "passes/quantize/weights/block_journal.h"

namespace dsc::quantize {

// Folds batch norms, writes einsums with weights as linear layers and moves scales: what happens to the float model first.
// returns: the precisions of its layers.
Precisions prepare(Model& model, const Options& options, PassContext& context, const BlockJournal& journal = {});

// Ranges of the placement's activations, in order.
std::vector<Range> find_ranges(const Model& model, const QuantPlacement& placement, const Precisions& precisions, const Options& options,
                               PassContext& context);

// Of all activations that would be quantised, by value name; the model stays as it is.
std::map<std::string, Range> calibrate_all(const Model& prepared, const Precisions& precisions, const Options& options, PassContext& context);

// Quantises a prepared model. known: ranges by value name that need no calibration.
std::vector<QuantizerRow> quantize_prepared(Model& model, const Precisions& precisions, const Options& options, PassContext& context,
                                            const std::map<std::string, Range>& known = {}, const BlockJournal& journal = {});

// The metric on Split::valid when each layer alone is quantised, with weights of 8, 4 and 2 bits and activations of the
// options. With `mixed`: the error of the outputs at its widths (output_error.h), on calibration data.
SenseTable measure_sensitivity(const Model& model, const Options& options, PassContext& context);
SenseTable measure_output_errors(const Model& prepared, const Precisions& precisions, const Options& options, PassContext& context);
// What a table calls each layer, by node name: its module, and the node where a module has several.
std::map<std::string, std::string> part_names(const Model& model, const Precisions& precisions);

// With `max_drop`: layers go back to floating point, the most sensitive first, until the metric on Split::valid has lost
// no more. returns: the modules that went back.
std::vector<std::string> keep_within_drop(const Model& prepared, Precisions& precisions, const Options& options, PassContext& context);

}  // namespace dsc::quantize
