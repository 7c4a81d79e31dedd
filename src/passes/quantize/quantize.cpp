// quantize: weights and activations of convolutions, linear layers and matrix products as integers of 2 to 8 bits.
//
//   before  %y = aten.conv2d(%x, w, b)         after  %q = aten.fake_quantize_per_tensor_affine(%x, 0.02, 0, 0, 255)
//                                                     %v = aten.fake_quantize_per_channel_affine(w, scale, zero, 0, -127, 127)
//                                                     %y = aten.conv2d(%q, %v, b)
//
// Batch norms are folded first, so that what is calibrated or trained is what runs on the device. `ptq` sets the ranges
// from calibration data; `qat` trains with the rounding in the loop (straight-through estimator), while moving averages
// follow the ranges. Engines turn the result into integer kernels; ops/quant_placement.h says where quantisers go.
// Leaves alone: modules named in `skip`, layers that are quantised already, biases.
// Order: last of the passes that change structure; pruning after it would cut scales too.
// Source: Jacob et al. 2018, arXiv:1712.05877; Krishnamoorthi 2018, arXiv:1806.08342.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "core/names.h"
#include "dscompress/pass.h"
#include "exec/executor.h"
#include "exec/fake_quant.h"
#include "ops/fold_batchnorm.h"
#include "ops/quant_placement.h"
#include "ops/quantization.h"
#include "passes/quantize/calibrate.h"
#include "passes/quantize/options.h"
#include "passes/quantize/rewrite.h"
#include "train/train.h"

namespace dsc {
namespace quantize {
namespace {

bool is_skipped(const Node& node, const Options& options) {
  return std::any_of(options.skip.begin(), options.skip.end(), [&](const auto& glob) { return matches_glob(glob, node.module_path()); });
}

std::vector<Problem> check(const Model& model, const Options& options) {
  std::vector<Problem> problems;
  std::vector<std::string> modules;
  std::size_t left = 0;
  for (Node* node : model.graph.nodes()) {
    if (!find_quant_layer(model.graph, node)) continue;
    modules.push_back(node->module_path());
    if (!is_skipped(*node, options)) ++left;
  }
  for (std::size_t i = 0; i < options.skip.size(); ++i) {
    const bool matches = std::any_of(modules.begin(), modules.end(), [&](const auto& path) { return matches_glob(options.skip[i], path); });
    if (matches) continue;
    problems.push_back({"`" + options.skip[i] + "` matches no module that would be quantised", {.pointer = "/skip/" + std::to_string(i)},
                        suggest(options.skip[i], modules)});
  }
  if (left == 0 && problems.empty()) {
    problems.push_back({modules.empty() ? "the model has no convolution, linear layer or matrix product that is not quantised already"
                                        : "`skip` leaves nothing to quantise",
                        {.pointer = "/skip"}, modules.empty() ? "remove the step" : "skip fewer modules"});
  }
  return problems;
}

QuantPlacement place(Model& model, const Options& options) {
  return place_quantizers(model.graph, [&](const Node& node) { return !is_skipped(node, options); });
}

std::vector<QuantizerRow> run_ptq(Model& model, const Options& options, PassContext& context) {
  fold_batch_norms(model);
  const QuantPlacement placement = place(model, options);
  std::vector<const Value*> values;
  for (const ActivationQuantizer& quantizer : placement.activations) values.push_back(quantizer.value);
  std::vector<Range> ranges(values.size(), Range{0, 1});
  if (!context.dry_run()) ranges = calibrate(model, values, options, context);
  return insert_quantizers(model, placement, ranges, options);
}

// Ranges stop moving after their share of the training.
TrainHooks make_hooks(const Model& model, const Options& options) {
  TrainHooks hooks;
  const auto states = quantizer_states(model);
  hooks.before_step = [states, share = options.freeze_observers](Executor& executor, std::int64_t step, std::int64_t steps) {
    const float observe = static_cast<double>(step) < share * static_cast<double>(steps) || step == 0 ? 1.0F : 0.0F;
    for (const std::string& name : states) executor.weight(name)[kObserve].fill_(observe);
  };
  return hooks;
}

std::vector<QuantizerRow> run_qat(Model& model, const Options& options, PassContext& context, PassResult& result) {
  register_fake_quant_operators();
  context.stage("prepare", model, [&] {
    fold_batch_norms(model);
    insert_training_quantizers(model, place(model, options), options);
    return std::string();
  });
  const std::string text = context.stage("train", model, [&] {
    return to_text(train(model, options.train, supervised_objective(options.train.label_smoothing), make_hooks(model, options), context));
  });
  result.statistics = statistics_of(parse_train_result(text));
  return finish_training_quantizers(model);
}

std::string in_brief(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

Table table_of(const std::vector<QuantizerRow>& rows) {
  Table table{.name = "quantizers", .columns = {"module", "tensor", "kind", "bits", "granularity", "minimum", "maximum"}};
  for (const QuantizerRow& row : rows) {
    table.rows.push_back({row.module, row.tensor, row.kind, std::to_string(row.bits), row.granularity, in_brief(row.range.minimum),
                          in_brief(row.range.maximum)});
  }
  return table;
}

PassResult run(Model& model, const Options& options, PassContext& context) {
  if (auto problems = check(model, options); !problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  PassResult result{.changed = true};
  const auto rows = options.mode == Mode::ptq ? run_ptq(model, options, context) : run_qat(model, options, context, result);
  const auto count = [&](std::string_view kind) {
    return static_cast<double>(std::count_if(rows.begin(), rows.end(), [&](const auto& row) { return row.kind == kind; }));
  };
  result.statistics.push_back({"quantized_weights", count("weight"), ""});
  result.statistics.push_back({"activation_quantizers", count("activation"), ""});
  result.statistics.push_back({"stored_size", static_cast<double>(stored_bytes(model)), "bytes"});
  result.tables.push_back(table_of(rows));
  return result;
}

}  // namespace
}  // namespace quantize

PassInfo make_quantize_quantize() {
  using quantize::Mode, quantize::Options;
  return make_pass<Options>(
      {.id = "quantize",
       .summary = "Quantise weights and activations to integers, after training (ptq) or with training (qat).",
       .changes = {Change::weights, Change::structure, Change::precision},
       .needs_of = [](const Options& options) {
         return std::vector{options.mode == Mode::ptq ? Need::calibration_data : Need::train_data};
       },
       .check = quantize::check},
      quantize::run);
}

}  // namespace dsc
