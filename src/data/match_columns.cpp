#include "data/match_columns.h"

#include <algorithm>
#include <numeric>

#include "core/names.h"
#include "data/model_inputs.h"

namespace dsc {
namespace {

constexpr const char* kHowToList = "rename the columns, or list them under `inputs` in the model's order";

std::vector<std::size_t> in_order(std::size_t count) {
  std::vector<std::size_t> columns(count);
  std::iota(columns.begin(), columns.end(), std::size_t{0});
  return columns;
}

Problem wrong_count(const DatasetInfo& info, const std::vector<std::string>& wanted) {
  const std::string given = info.input_names.empty() ? "" : " (" + joined(info.input_names) + ")";
  return {info.description + " gives " + std::to_string(info.inputs.size()) + " inputs" + given + ", the model takes " + std::to_string(wanted.size()) + " (" + joined(wanted) + ")",
          {},
          info.input_names.empty() ? "use a model with one input, or tensors with a column for each" : kHowToList};
}

// A column that is called like an input at another place was hardly listed for that place.
std::vector<Problem> misplaced(const DatasetInfo& info, const std::vector<std::string>& wanted) {
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto own = std::ranges::find(wanted, info.input_names[i]);
    if (own == wanted.end() || *own == wanted[i]) continue;
    return {{info.description + ": `inputs` lists the column `" + info.input_names[i] + "` for the model's input `" + wanted[i] + "`, and the model has an input `" + *own + "`",
             {.pointer = "/inputs"},
             "list the columns in the model's order: " + joined(wanted)}};
  }
  return {};
}

// One problem for each input without a column.
std::vector<Problem> missing(const DatasetInfo& info, const std::vector<std::string>& wanted) {
  std::vector<std::string> left;
  for (const auto& name : info.input_names) {
    if (std::ranges::find(wanted, name) == wanted.end()) left.push_back(name);
  }
  std::vector<Problem> problems;
  for (const auto& name : wanted) {
    if (std::ranges::find(info.input_names, name) != info.input_names.end()) continue;
    const auto nearest = nearest_names(name, left);
    problems.push_back({info.description + " has no column for the model's input `" + name + "`: its columns are " + joined(info.input_names) + ", the model takes " + joined(wanted),
                     {},
                     (nearest.empty() ? "" : "did you mean `" + nearest.front() + "`? ") + std::string(kHowToList)});
  }
  return problems;
}

}  // namespace

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

ColumnMatch match_columns(const DatasetInfo& info, const std::vector<const GraphInput*>& inputs) {
  const std::vector<std::string> wanted = names_of(inputs);
  const auto& names = info.input_names;
  ColumnMatch match;
  for (const auto& name : wanted) {
    const auto found = std::ranges::find(names, name);
    if (found != names.end()) match.columns.push_back(static_cast<std::size_t>(found - names.begin()));
  }
  if (match.columns.size() == wanted.size()) return match;
  match.columns.clear();
  const bool same_count = info.inputs.size() == wanted.size();
  if (info.named) {
    match.problems.push_back({info.description + " gives " + joined(names) + ", the model takes " + joined(wanted),
                              {},
                              "if the model calls them otherwise, list them under `inputs` in its order: inputs: [input_ids, attention_mask]"});
  } else if (!same_count && (names.empty() || info.listed)) {
    match.problems.push_back(wrong_count(info, wanted));
  } else if (info.listed) {
    match.problems = misplaced(info, wanted);
  } else if (!names.empty() && (!same_count || wanted.size() > 1)) {
    match.problems = missing(info, wanted);
  }
  if (match.problems.empty()) match.columns = in_order(wanted.size());
  return match;
}

}  // namespace dsc
