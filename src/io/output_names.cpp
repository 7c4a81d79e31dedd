#include "io/output_names.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "io/pt2_treespec.h"

namespace dsc {
namespace {

using Json = nlohmann::json;

// What forward() returned when the program was exported.
std::optional<std::string> output_specification(const Model& model) {
  const auto calls = model.archive.json.find("module_call_graph");
  if (calls == model.archive.json.end()) return std::nullopt;
  for (const auto& entry : Json::parse(calls->second)) {
    const bool is_whole = entry.contains("fqn") && entry.at("fqn") == "" && entry.contains("signature");
    if (is_whole && entry.at("signature").contains("out_spec") && entry.at("signature").at("out_spec").is_string())
      return entry.at("signature").at("out_spec").get<std::string>();
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::string> output_names(const Model& model) {
  std::vector<const GraphOutput*> outputs;
  for (const GraphOutput& output : model.graph.outputs()) {
    if (output.kind == OutputKind::user || output.kind == OutputKind::loss) outputs.push_back(&output);
  }
  const auto specification = output_specification(model);
  const auto tuples = model.archive.json.find("treespec_namedtuple_fields");
  const auto given =
      specification ? pt2::output_leaf_names(*specification, tuples == model.archive.json.end() ? "{}" : tuples->second) : std::nullopt;
  const bool fits = given && given->size() == outputs.size();
  std::vector<std::string> names;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto* const value = std::get_if<Value*>(&outputs[i]->value);
    if (!value || !*value || !(*value)->is_tensor()) continue;
    names.push_back(fits && !(*given)[i].empty() ? (*given)[i] : (*value)->name());
  }
  return names;
}

}  // namespace dsc
