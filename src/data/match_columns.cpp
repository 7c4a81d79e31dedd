#include "data/match_columns.h"

#include <algorithm>
#include <numeric>
#include <optional>

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

// The column of the input's name, or of the variable's in the exported program: batch.right is batch_right there.
std::optional<std::size_t> column_of(const GraphInput& input, const std::vector<std::string>& wanted, const std::vector<std::string>& columns) {
  auto found = std::ranges::find(columns, input.target);
  const std::string& variable = input.value->name();
  const bool is_other_input = std::ranges::find(wanted, variable) != wanted.end();
  if (found == columns.end() && !is_other_input) found = std::ranges::find(columns, variable);
  return found == columns.end() ? std::nullopt : std::optional(static_cast<std::size_t>(found - columns.begin()));
}

// One problem for each input without a column.
std::vector<Problem> missing(const DatasetInfo& info, const std::vector<const GraphInput*>& inputs, const std::vector<std::string>& wanted) {
  std::vector<bool> taken(info.input_names.size());
  std::vector<std::string> without, left;
  for (const GraphInput* input : inputs) {
    if (const auto column = column_of(*input, wanted, info.input_names)) taken[*column] = true;
    else without.push_back(input->target);
  }
  for (std::size_t i = 0; i < taken.size(); ++i) {
    if (!taken[i]) left.push_back(info.input_names[i]);
  }
  std::vector<Problem> problems;
  for (const auto& name : without) {
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
  for (const GraphInput* input : inputs) {
    if (const auto column = column_of(*input, wanted, names)) match.columns.push_back(*column);
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
    match.problems = missing(info, inputs, wanted);
  }
  if (match.problems.empty()) match.columns = in_order(wanted.size());
  return match;
}

}  // namespace dsc
