#include "passes/prune/options.h"

#include <array>
#include <cmath>

namespace dsc::prune {

std::span<const std::string_view> enum_names(Pace) {
  static constexpr std::array<std::string_view, 2> kNames{"linear", "cubic"};
  return kNames;
}

std::span<const std::string_view> enum_names(Of) {
  static constexpr std::array<std::string_view, 2> kNames{"current", "base"};
  return kNames;
}

void Reduce::fields(FieldVisitor& visit) {
  const double most = 0.99;
  visit("channels", channels, {.text = "Share of the channels of each group (scope layer) or of all that goes.", .unit = "fraction", .minimum = 0, .maximum = most});
  visit("macs", macs, {.text = "Share of the multiply-accumulates that goes.", .unit = "fraction", .minimum = 0, .maximum = most});
  visit("parameters", parameters, {.text = "Share of the parameters that goes.", .unit = "fraction", .minimum = 0, .maximum = most});
  visit("bytes", bytes, {.text = "Share of the bytes of parameters and buffers that goes.", .unit = "fraction", .minimum = 0, .maximum = most});
  visit("latency", latency, {.text = "Share of the latency that goes: whole models are measured with the engine and first batch size of `evaluate.latency`.",
                             .unit = "fraction", .minimum = 0, .maximum = most});
  visit.one_of("`reduce`", {{"channels", channels.has_value()}, {"macs", macs.has_value()}, {"parameters", parameters.has_value()}, {"bytes", bytes.has_value()}, {"latency", latency.has_value()}});
}

double Reduce::share() const {
  return channels ? *channels : macs ? *macs : parameters ? *parameters : bytes ? *bytes : latency.value_or(0);
}

void Options::fields(FieldVisitor& visit) {
  target_fields(visit);
  importance.fields(visit);
  further_fields(visit);
  visit.check(sparsify && importance.importance == Importance::random ? "sparsify does nothing for importance: random" : "");
  visit.check(measures_experts(importance) && kinds != std::vector{Kind::experts}
                  ? "importance: routing and reap are of experts alone: add `kinds: [experts]`"
                  : "");
}

void Options::fields_but_importance(FieldVisitor& visit) {
  target_fields(visit);
  further_fields(visit);
}

void Options::target_fields(FieldVisitor& visit) {
  visit("reduce", reduce, {.text = "How much goes, for example {macs: 0.5}.", .required = true});
  visit("of", of, {.text = "What `reduce` is a share of: the model as this step finds it, or the base that the run is compared with, so that earlier steps count."});
}

void Options::further_fields(FieldVisitor& visit) {
  visit("normalize", importance.normalize, {.text = "What the scores of a group are divided by (or standardised with) to rank groups against each other."});
  visit("scope", scope, {.text = "Channels ranked within their group, among groups of the same shape, all together, or by the accuracy they are measured to cost."});
  visit("sensitivity", sensitivity, {.text = "How accuracy is measured for scope: sensitivity."});
  visit("search", search, {.text = "Find how much each group loses by trying, on a part of the valid split; within a group the least important go, as ever."});
  visit("kinds", kinds, {.text = "Kinds of groups to cut: channels, blocks (attention heads, groups of a convolution), within_blocks (head dimensions), experts (of a mixture, with their rows of the router)."});
  visit("layers", layers, {.text = "Share of channels for single layers, by module glob, in place of `reduce`.", .unit = "fraction", .minimum = 0, .maximum = 0.99});
  visit("ignore", ignore, {.text = "Module globs of layers whose output channels all stay."});
  visit("round_to", limits.round_to, {.text = "Kept channels are a multiple of this, in groups that have more; heads of 32 channels go by twos for 64.", .minimum = 1, .maximum = 1024});
  visit("min_channels", limits.min_channels, {.text = "Channels that every group keeps at least.", .minimum = 1});
  visit("max_share", limits.max_share, {.text = "Largest share of a group that may go.", .unit = "fraction", .minimum = 0, .maximum = 1});
  visit("steps", steps, {.text = "Cuts to do it in.", .minimum = 1, .maximum = 1000});
  visit("schedule", schedule, {.text = "How the cut grows over the steps: evenly, or fast first."});
  visit("sparsify", sparsify, {.text = "Training before the first step, under a penalty on the channels that are about to go."});
  visit("finetune_each", finetune_each, {.text = "Training after each step, on labels."});
  visit("distill_each", distill_each, {.text = "Training after each step, towards the base model's scores; in place of `finetune_each`."});
  visit("recalibrate_batches", recalibrate_batches, {.text = "Training batches to re-estimate batch-norm statistics with after each cut; 0: none.", .minimum = 0});
  visit("max_drop", max_drop, {.text = "Largest loss on the valid split, of top1 or the only metric; a step beyond it is undone and is the last.", .minimum = 0, .units = {"pp", "%"}});
  visit("allow_empty", allow_empty, {.text = "Accept patterns that match nothing and a cut of nothing."});
  check_together(visit);
}

void Options::check_together(FieldVisitor& visit) const {
  visit.check(finetune_each && distill_each ? "finetune_each and distill_each exclude each other" : "");
  visit.check(of == Of::base && (reduce.channels || reduce.latency) ? "`of: base` goes with macs, parameters and bytes" : "");
  visit.check(kinds.empty() ? "`kinds` must name at least one kind" : "");
  visit.check(search && (reduce.channels || reduce.latency) ? "`search` goes with macs, parameters and bytes" : "");
  visit.check(search && steps > 1 ? "`search` decides on one cut: steps must be 1" : "");
  visit.check(search && sparsify ? "`search` and `sparsify` both choose what goes: take one of them" : "");
  visit.check(limits.max_share <= 0 ? "`max_share` 0 would cut nothing" : "");
}

double progress_after(Pace pace, std::int64_t step, std::int64_t steps) {
  double position = static_cast<double>(step) / static_cast<double>(steps);
  return pace == Pace::linear ? position : 1 - std::pow(1 - position, 3);
}

}  // namespace dsc::prune
