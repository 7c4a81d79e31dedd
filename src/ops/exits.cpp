#include "ops/exits.h"

#include <array>

#include "core/fields_json.h"
#include "core/printed.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

constexpr const char* kRecord = "exits.json";

}  // namespace

std::span<const std::string_view> enum_names(ExitCriterion) {
  static constexpr std::array<std::string_view, 3> kNames{"confidence", "entropy", "patience"};
  return kNames;
}

void ExitRule::fields(FieldVisitor& visit) {
  visit("criterion", criterion, {.text = "What lets an example leave."});
  visit("threshold", threshold, {.text = "How sure an exit must be.", .minimum = 0});
}

double closed_threshold(ExitCriterion criterion, std::int64_t exits) {
  return criterion == ExitCriterion::confidence ? 1 : criterion == ExitCriterion::entropy ? 0 : static_cast<double>(exits);
}

std::string problem_with(const ExitRule& rule, std::int64_t exits) {
  const bool counts = rule.criterion == ExitCriterion::patience;
  const double least = counts ? 1 : 0, most = counts ? static_cast<double>(exits) : 1;
  const bool is_whole = !counts || rule.threshold == static_cast<double>(static_cast<std::int64_t>(rule.threshold));
  if (rule.threshold >= least && rule.threshold <= most && is_whole) return "";
  return printed("threshold %g is out of range: %s takes %s from %g to %g", rule.threshold, to_text(rule.criterion).c_str(),
                 counts ? "whole numbers" : "numbers", least, most);
}

void Exits::fields(FieldVisitor& visit) {
  rule.fields(visit);
  visit("blocks", blocks, {.text = "The blocks behind which the exits are."});
}

std::optional<Exits> exits_of(const Model& model) {
  const auto found = model.archive.extra_files.find(kRecord);
  if (found == model.archive.extra_files.end()) return std::nullopt;
  try {
    auto exits = parse_json<Exits>(found->second, kRecord);
    if (shown_outputs(model.graph).size() == exits.blocks.size() + 1) return exits;
  } catch (const Error&) {  // what is wrong with a text that no one writes by hand does not help
  }
  throw Error(ErrorCode::model_file, std::string(kRecord) + " in the model file does not fit the model's outputs", {.file = model.source},
              "run the step early_exit again");
}

void set_exits(Model& model, const Exits& exits) { model.archive.extra_files[kRecord] = dump_json(exits); }

std::vector<Value*> shown_outputs(const Graph& graph) {
  std::vector<Value*> shown;
  for (const GraphOutput& output : graph.outputs()) {
    auto* const* value = std::get_if<Value*>(&output.value);
    if (output.kind == OutputKind::user && value && (*value)->is_tensor()) shown.push_back(*value);
  }
  return shown;
}

}  // namespace dsc
