#include "data/labels.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/names.h"

namespace dsc {
namespace {

template <class T>
std::optional<T> parse(const std::string& text) {
  T value{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = read.ec == std::errc{} && read.ptr == text.data() + text.size();
  return whole ? std::optional(value) : std::nullopt;
}

std::string quoted(const std::string& text) { return text.empty() ? "no label" : "label `" + text + "`"; }

TableLabels read_numbers(const TextTable& table, const std::vector<std::string>& cells, FileProblems& problems) {
  TableLabels labels{.values = at::empty({table.row_count()}, at::kFloat)};
  auto* out = labels.values.mutable_data_ptr<float>();
  for (std::size_t row = 0; row < cells.size(); ++row) {
    const auto value = parse<double>(cells[row]);
    if (value && std::isfinite(*value)) out[row] = static_cast<float>(*value);
    else problems.add(table.place(static_cast<std::int64_t>(row)).line, quoted(cells[row]) + ", expected a number");
  }
  return labels;
}

std::optional<std::int64_t> class_of(const std::string& cell, const std::vector<std::string>& names) {
  if (names.empty()) {
    const auto number = parse<std::int64_t>(cell);
    return number && *number >= 0 ? number : std::nullopt;
  }
  const auto found = std::find(names.begin(), names.end(), cell);
  return found == names.end() ? std::nullopt : std::optional<std::int64_t>(found - names.begin());
}

TableLabels read_classes(const TextTable& table, const std::vector<std::string>& cells, const std::vector<std::string>& names, FileProblems& problems) {
  TableLabels labels{.values = at::empty({table.row_count()}, at::kLong)};
  auto* out = labels.values.mutable_data_ptr<std::int64_t>();
  std::int64_t largest = -1;
  for (std::size_t row = 0; row < cells.size(); ++row) {
    const auto place = table.place(static_cast<std::int64_t>(row));
    const auto number = class_of(cells[row], names);
    if (!number) {
      problems.add(place.line, quoted(cells[row]) + (names.empty() ? ", expected a class number from 0" : ", which `classes` does not name"),
                   names.empty() ? "name the labels in `classes`, or say `regression: true` for real numbers" : suggest(cells[row], names));
      continue;
    }
    out[row] = *number;
    if (*number <= largest) continue;
    largest = *number;
    labels.largest_at = place.to_string();
  }
  labels.classes = names.empty() ? largest + 1 : static_cast<std::int64_t>(names.size());
  return labels;
}

}  // namespace

TableLabels read_labels(const TextTable& table, const TextConfig& config) {
  FileProblems problems(table.path());
  const auto& cells = table.column(config.columns.label);
  auto labels = config.regression ? read_numbers(table, cells, problems) : read_classes(table, cells, config.classes, problems);
  problems.throw_if_any();
  return labels;
}

at::Tensor read_labels_as_written(const TextTable& table, const std::string& column) {
  FileProblems problems(table.path());
  const auto& cells = table.column(column);
  const bool are_classes = std::ranges::all_of(cells, [](const std::string& cell) { return class_of(cell, {}).has_value(); });
  auto labels = are_classes ? read_classes(table, cells, {}, problems) : read_numbers(table, cells, problems);
  problems.throw_if_any();
  return labels.values;
}

}  // namespace dsc
