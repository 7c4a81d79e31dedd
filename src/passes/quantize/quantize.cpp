// quantize: weights and activations of convolutions, linear layers and matrix products as integers of 2 to 8 bits.
//
//   before  %y = aten.conv2d(%x, w, b)         after  %q = aten.fake_quantize_per_tensor_affine(%x, 0.02, 0, 0, 255)
//                                                     %v = aten.fake_quantize_per_channel_affine(w, scale, zero, 0, -127, 127)
//                                                     %y = aten.conv2d(%q, %v, b)
//
// Batch norms are folded first, so that what is calibrated or trained is what runs on the device. `ptq` sets the ranges
// from calibration data; `qat` trains with the rounding in the loop (straight-through estimator), while moving averages
// follow the ranges, or steps are learned (LSQ). `weight_only` rounds weights and leaves activations alone. Engines turn the
// result into integer kernels; ops/quant_placement.h says where quantisers go.
// Leaves alone: modules named in `skip`, layers that are quantised already, biases.
// Order: last of the passes that change structure; pruning after it would cut scales too.
// Source: Jacob et al. 2018, arXiv:1712.05877; Krishnamoorthi 2018, arXiv:1806.08342.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "dscompress/pass.h"
#include "exec/fake_quant.h"
#include "ops/fold_batchnorm.h"
#include "passes/quantize/calibrate.h"
#include "passes/quantize/precisions.h"
#include "passes/quantize/rewrite.h"
#include "passes/quantize/round_weights.h"
#include "passes/quantize/scaling.h"
#include "passes/quantize/training.h"
#include "passes/quantize/weight_grid.h"

namespace dsc {
namespace quantize {
namespace {

std::vector<Range> find_ranges(const Model& model, const QuantPlacement& placement, const Precisions& precisions, const Options& options,
                               PassContext& context) {
  std::vector<RangeRequest> requests;
  for (const ActivationQuantizer& quantizer : placement.activations) {
    requests.push_back({quantizer.value, precision_of(precisions, *quantizer.layer).activations, quantizer.is_signed});
  }
  if (context.dry_run() || requests.empty()) return std::vector<Range>(requests.size(), Range{0, 1});
  return calibrate(model, requests, options.calibration, context);
}

std::vector<QuantizerRow> insert_quantizers(Model& model, const QuantPlacement& placement, const Precisions& precisions,
                                            const std::vector<Range>& ranges, const std::vector<WeightGrid>& grids) {
  std::vector<QuantizerRow> rows;
  for (std::size_t i = 0; i < placement.activations.size(); ++i) {
    const ActivationQuantizer& quantizer = placement.activations[i];
    const ActivationOptions& options = precision_of(precisions, *quantizer.layer).activations;
    const QuantRange range = activation_quant_range(options.bits);
    const QuantParams params = choose_quant_params(ranges.at(i).minimum, ranges.at(i).maximum, range, options.symmetric || quantizer.is_signed);
    rows.push_back(insert_activation_quantizer(model, quantizer, params, range));
  }
  for (std::size_t i = 0; i < placement.weights.size(); ++i) rows.push_back(insert_weight_quantizer(model, placement.weights[i], grids.at(i)));
  return rows;
}

// What happens to the float model before anything is quantised.
Precisions prepare(Model& model, const Options& options, PassContext& context) {
  fold_batch_norms(model);
  Precisions precisions = resolve_precisions(model, options);
  if (options.scaling != Scaling::none) move_scales(model, precisions, options, context);
  return precisions;
}

// ptq and weight_only: nothing is trained.
std::vector<QuantizerRow> run_after_training(Model& model, const Options& options, PassContext& context) {
  const Precisions precisions = prepare(model, options, context);
  const QuantPlacement placement = place(model, precisions, options);
  const auto ranges = find_ranges(model, placement, precisions, options, context);
  const auto grids = round_weights(model, placement, precisions, options, context);
  return insert_quantizers(model, placement, precisions, ranges, grids);
}

void prepare_training(Model& model, const Options& options, PassContext& context) {
  const Precisions precisions = prepare(model, options, context);
  const QuantPlacement placement = place(model, precisions, options);
  if (options.learned_steps) insert_learned_quantizers(model, placement, precisions, find_ranges(model, placement, precisions, options, context));
  else insert_observing_quantizers(model, placement, precisions);
}

std::vector<QuantizerRow> run_qat(Model& model, const Options& options, PassContext& context, PassResult& result) {
  register_fake_quant_operators();
  context.stage("prepare", model, [&] {
    prepare_training(model, options, context);
    return std::string();
  });
  const std::string text = context.stage("train", model, [&] {
    return to_text(train(model, options.train, supervised_objective(options.train.label_smoothing), make_phase_hooks(options), context));
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

std::vector<Need> needs_of(const Options& options) {
  if (options.mode == Mode::qat) return {Need::train_data};
  return needs_calibration(options) ? std::vector{Need::calibration_data} : std::vector<Need>{};
}

PassResult run(Model& model, const Options& options, PassContext& context) {
  if (auto problems = check_precisions(model, options); !problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  PassResult result{.changed = true};
  const auto rows = options.mode == Mode::qat ? run_qat(model, options, context, result) : run_after_training(model, options, context);
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
       .summary = "Quantise weights and activations to integers, after training (ptq, weight_only) or with training (qat).",
       .changes = {Change::weights, Change::structure, Change::precision},
       .needs_of = quantize::needs_of,
       .check = quantize::check_precisions},
      quantize::run);
}

}  // namespace dsc
