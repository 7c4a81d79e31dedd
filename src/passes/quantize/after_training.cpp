#include "passes/quantize/after_training.h"

#include <algorithm>

#include "ops/einsum.h"
#include "ops/experts.h"
#include "ops/fold_batchnorm.h"
#include "ops/joined_grids.h"
#include "passes/quantize/casts.h"
#include "passes/quantize/ranges/calibrate.h"
#include "passes/quantize/run_time.h"
#include "passes/quantize/weights/round_weights.h"
#include "passes/quantize/weights/scaling.h"

namespace dsc::quantize {
namespace {

std::vector<JoinedQuantizer> grids_of(const Graph& graph, const QuantPlacement& placement, const QuantTarget& target) {
  if (target.joins_grids) return join_grids(graph, placement);
  std::vector<JoinedQuantizer> out;
  for (std::size_t i = 0; i < placement.activations.size(); ++i) out.push_back({placement.activations[i], {i}});
  return out;
}

std::vector<QuantizerRow> insert_quantizers(Model& model, const QuantPlacement& placement, const Precisions& precisions,
                                            const std::vector<Range>& ranges, const std::vector<WeightGrid>& grids, const QuantTarget& target) {
  std::vector<QuantizerRow> rows;
  for (const auto& [quantizer, held] : grids_of(model.graph, placement, target)) {
    const ActivationOptions& options = precision_of(precisions, *quantizer.layer).activations;
    const QuantRange range = activation_quant_range(options.bits, quantizer.zero_point);
    Range all = ranges.at(held.front());
    for (const std::size_t i : held) all = {std::min(all.minimum, ranges.at(i).minimum), std::max(all.maximum, ranges.at(i).maximum)};
    const QuantParams params = choose_quant_params(all.minimum, all.maximum, range, is_symmetric(options, quantizer.zero_point));
    rows.push_back(insert_activation_quantizer(model, quantizer, params, range));
  }
  for (std::size_t i = 0; i < placement.weights.size(); ++i) rows.push_back(insert_weight_quantizer(model, placement.weights[i], grids.at(i)));
  return rows;
}

}  // namespace

std::vector<Range> find_ranges(const Model& model, const QuantPlacement& placement, const Precisions& precisions, const Options& options,
                               PassContext& context) {
  std::vector<RangeRequest> requests;
  for (const ActivationQuantizer& quantizer : placement.activations) {
    requests.push_back({quantizer.value, precision_of(precisions, *quantizer.layer).activations, quantizer.zero_point});
  }
  if (context.dry_run() || requests.empty()) return std::vector<Range>(requests.size(), Range{0, 1});
  return calibrate(model, requests, options.calibration, context);
}

Precisions prepare(Model& model, const Options& options, PassContext& context, const BlockJournal& journal) {
  fold_batch_norms(model);
  turn_einsums_into_linears(model);
  turn_experts_outputs_first(model);
  Precisions precisions = resolve_precisions(model, options);
  if (options.scaling != Scaling::none) move_scales(model, precisions, options, context, journal);
  return precisions;
}

std::vector<QuantizerRow> quantize_prepared(Model& model, const Precisions& precisions, const Options& options, PassContext& context,
                                            const std::map<std::string, Range>& known, const BlockJournal& journal) {
  const QuantPlacement placement = place(model, precisions, options);
  std::vector<Range> ranges;
  for (const ActivationQuantizer& quantizer : placement.activations) {
    const auto range = known.find(quantizer.value->name());
    if (range != known.end()) ranges.push_back(range->second);
  }
  if (ranges.size() != placement.activations.size()) ranges = find_ranges(model, placement, precisions, options, context);
  const auto grids = round_weights(model, placement, precisions, options, context, journal);
  std::vector<QuantizerRow> rows;
  const QuantTarget& target = *find_quant_target(options.target);
  if (options.mode == Mode::dynamic) rows = insert_run_time_quantizers(model, placement, target.run_time_rows);
  const auto others = insert_quantizers(model, placement, precisions, ranges, grids, target);
  rows.insert(rows.end(), others.begin(), others.end());
  cast_layers(model, precisions);
  return rows;
}

}  // namespace dsc::quantize
