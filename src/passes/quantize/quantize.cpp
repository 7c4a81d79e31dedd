// quantize: weights and activations of convolutions, linear layers and matrix products as integers of 2 to 8 bits.
//
//   before  %y = aten.conv2d(%x, w, b)         after  %q = aten.fake_quantize_per_tensor_affine(%x, 0.02, 0, 0, 255)
//                                                     %v = aten.fake_quantize_per_channel_affine(w, scale, zero, 0, -127, 127)
//                                                     %y = aten.conv2d(%q, %v, b)
//
// Batch norms are folded first, so that what is calibrated is what runs on the device. `ptq` sets the ranges from
// calibration data; `qat` trains with the rounding in the loop (straight-through estimator), while moving averages follow
// the ranges, or steps are learned (LSQ), and batch norms go on behind weights quantised as folded (live_norms.h). `weight_only` rounds weights and
// leaves activations alone; `dynamic` has those of linear layers quantised at run time. Engines turn the result into integer kernels;
// ops/quant_placement.h says where quantisers go.
// Leaves alone: modules named in `skip`, layers that are quantised already, biases.
// Order: last of the passes that change structure; pruning after it would cut scales too.
// Source: Jacob et al. 2018, arXiv:1712.05877; Krishnamoorthi 2018, arXiv:1806.08342.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "core/printed.h"
#include "dscompress/pass.h"
#include "exec/kernels/fake_quant.h"
#include "ir/fingerprint.h"
#include "ir/inlined_branches.h"
#include "passes/quantize/after_training.h"
#include "passes/quantize/casts.h"
#include "passes/quantize/choose/mixed.h"
#include "passes/quantize/live_norms.h"
#include "passes/quantize/training.h"
#include "train/distill/distillation.h"

namespace dsc {
namespace quantize {
namespace {

void prepare_training(Model& model, const Options& options, const Assignment& assignment, PassContext& context) {
  const bool are_live = frozen_norm_epochs(options) < options.train.epochs;
  const auto norms = are_live ? fold_and_remember(model) : std::vector<FoldedNorm>{};
  Precisions precisions = prepare(model, options, context);
  set_widths(precisions, assignment);
  const QuantPlacement placement = place(model, precisions, options);
  if (options.learned_steps) insert_learned_quantizers(model, placement, precisions, find_ranges(model, placement, precisions, options, context));
  else insert_observing_quantizers(model, placement, precisions);
  bring_back_norms(model, norms, precisions);
  cast_layers(model, precisions);
}

// A prepared model. notes: gets the layers that `max_drop` leaves out.
std::vector<QuantizerRow> round(Model& model, Precisions precisions, const Options& options, const Assignment& assignment, PassContext& context,
                                const BlockJournal& journal, std::vector<std::string>& notes) {
  set_widths(precisions, assignment);
  if (options.max_drop) {
    for (const std::string& module : keep_within_drop(model, precisions, options, context))
      notes.push_back(module + " stays in floating point: max_drop");
  }
  return quantize_prepared(model, precisions, options, context, {}, journal);
}

// ptq and weight_only. What looks at samples takes long: it is finished block by block, and scaling is a stage of its own.
std::vector<QuantizerRow> run_after_training(Model& model, const Options& options, const Assignment& assignment, PassContext& context,
                                             std::vector<std::string>& notes) {
  if (context.dry_run() || (!needs_inputs(options) && !scales_by_inputs(options))) {
    return round(model, prepare(model, options, context), options, assignment, context, {}, notes);
  }
  const BlockJournal journal(model, options, assignment.bits, context);
  const bool scales = scales_by_inputs(options);
  if (scales) {
    context.stage("scale", model, [&] {
      prepare(model, options, context, journal);
      return std::string();
    });
  }
  const std::string text = context.stage("round", model, [&] {
    std::vector<std::string> said;
    Precisions precisions = scales ? resolve_precisions(model, options) : prepare(model, options, context, journal);
    const auto rows = round(model, std::move(precisions), options, assignment, context, journal, said);
    return nlohmann::json{{"rows", to_text(rows)}, {"notes", said}}.dump();
  });
  journal.remove();
  const auto json = nlohmann::json::parse(text);
  for (const std::string note : json.at("notes")) notes.push_back(note);
  return parse_rows(json.at("rows"));
}

TrainResult train_quantized(Model& model, const Options& options, PassContext& context) {
  TrainHooks hooks = make_phase_hooks(options);
  if (!options.distill)
    return train(model, options.train, supervised_objective(options.train.label_smoothing, options.train.label_losses), hooks, context);
  return distill(model, {.train = options.train, .targets = *options.distill}, hooks, context, "/distill");
}

std::vector<QuantizerRow> run_qat(Model& model, const Options& options, const Assignment& assignment, PassContext& context, PassResult& result) {
  register_fake_quant_operators();
  context.stage("prepare", model, [&] {
    prepare_training(model, options, assignment, context);
    return std::string();
  });
  const std::string text = context.stage("train", model, [&] {
    return to_text(train_quantized(model, options, context));
  });
  result.statistics = statistics_of(parse_train_result(text));
  fold_live_norms(model);
  return finish_training_quantizers(model);
}

Table table_of(const std::vector<QuantizerRow>& rows) {
  Table table{.name = "quantizers", .columns = {"module", "tensor", "kind", "bits", "granularity", "minimum", "maximum"}};
  for (const QuantizerRow& row : rows) {
    table.rows.push_back({row.module, row.tensor, row.kind, std::to_string(row.bits), row.granularity, row.range ? printed("%.4g", row.range->minimum) : "at run time",
                          row.range ? printed("%.4g", row.range->maximum) : "at run time"});
  }
  return table;
}

std::vector<Need> needs_of(const Options& options) {
  std::vector<Need> needs;
  if (options.mode == Mode::qat) needs.push_back(Need::train_data);
  else if (needs_calibration(options)) needs.push_back(Need::calibration_data);
  if (options.mode == Mode::qat && options.distill && has_teacher(*options.distill)) needs.push_back(Need::teacher);
  if (options.mixed && options.mixed->budget.latency) needs.push_back(Need::latency);
  return needs;
}

std::vector<Problem> check(const Model& whole, const Options& options) {
  const Model model = with_inlined_branches(whole);
  auto problems = check_precisions(model, options);
  if (options.mode != Mode::qat) return problems;
  for (auto& problem : check_frozen(model, options.train)) problems.push_back(std::move(problem));
  if (!options.distill) return problems;
  for (auto& problem : check_distillation(model, *options.distill, "/distill")) problems.push_back(std::move(problem));
  return problems;
}

PassResult run_in_the_open(Model& model, const Options& options, PassContext& context) {
  if (auto problems = check_precisions(model, options); !problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  PassResult result;
  if (const std::string unread = describe_unread(model, options); !unread.empty()) result.notes.push_back(unread);
  const std::string before = fingerprint_of(model);
  const Assignment assignment = choose_widths(model, options, context);
  const auto rows = options.mode == Mode::qat ? run_qat(model, options, assignment, context, result)
                                              : run_after_training(model, options, assignment, context, result.notes);
  const auto count = [&](std::string_view kind) {
    return static_cast<double>(std::count_if(rows.begin(), rows.end(), [&](const auto& row) { return row.kind == kind; }));
  };
  result.statistics.push_back({"quantized_weights", count("weight"), ""});
  result.statistics.push_back({"activation_quantizers", count("activation"), ""});
  const auto sum = [&](auto member) {
    return static_cast<double>(std::accumulate(rows.begin(), rows.end(), std::int64_t{0}, [&](std::int64_t n, const auto& row) { return n + row.*member; }));
  };
  result.statistics.push_back({"weight_grids", sum(&QuantizerRow::grids), ""});
  result.statistics.push_back({"narrowed_grids", sum(&QuantizerRow::narrowed), ""});
  result.statistics.push_back({"stored_size", static_cast<double>(stored_bytes(model)), "bytes"});
  result.tables.push_back(table_of(rows));
  result.statistics.insert(result.statistics.end(), assignment.statistics.begin(), assignment.statistics.end());
  if (options.mixed) result.tables.push_back(assignment.table);
  if (!assignment.note.empty()) result.notes.push_back(assignment.note);
  result.changed = fingerprint_of(model) != before;  // max_drop and rules may leave every layer as it is
  return result;
}

// Layers in branches of control flow are quantised like others, with ranges of all examples, whichever branch they take.
PassResult run(Model& model, const Options& options, PassContext& context) {
  inline_all_branches(model.graph);
  auto result = run_in_the_open(model, options, context);
  outline_branches(model.graph);
  return result;
}

}  // namespace
}  // namespace quantize

PassInfo make_quantize_quantize() {
  using quantize::Mode, quantize::Options;
  return make_pass<Options>(
      {.id = "quantize",
       .summary = "Quantise weights and activations to integers, after training (ptq, weight_only, dynamic) or with training (qat).",
       .changes = {Change::weights, Change::structure, Change::precision},
       .needs_of = quantize::needs_of,
       .check = quantize::check,
       .sense = [](const Model& model, const Options& options,
                   PassContext& context) { return quantize::measure_sensitivity(with_inlined_branches(model), options, context); }},
      quantize::run);
}

}  // namespace dsc
