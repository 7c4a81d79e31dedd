#include "nightly/traffic.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <glob.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "core/file.h"
#include "core/random.h"
#include "data/split.h"
#include "dscompress/error.h"
#include "io/safetensors.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;
using Columns = std::vector<std::pair<std::string, at::Tensor>>;

// Examples of one file, or of several: columns in alphabetical order, the label apart.
struct Examples {
  Columns inputs;
  at::Tensor label;  // undefined: none has one

  std::int64_t size() const { return inputs.front().second.size(0); }
  Columns select(const at::Tensor& rows) const {
    Columns selected;
    for (const auto& [name, column] : inputs) selected.emplace_back(name, column.index_select(0, rows));
    return selected;
  }
};

Examples read_examples(const std::string& path, const std::string& label) {
  Examples examples;
  for (auto& [name, tensor] : read_safetensors(path).tensors) {
    if (tensor.dim() == 0) throw Error(ErrorCode::data, "column `" + name + "` has no dimension of examples", {.file = path});
    if (name == label) examples.label = tensor;
    else examples.inputs.emplace_back(name, tensor);
  }
  std::ranges::sort(examples.inputs, {}, &Columns::value_type::first);
  if (examples.inputs.empty()) throw Error(ErrorCode::data, "this file holds no inputs", {.file = path}, "capture the model's inputs, one column each");
  for (const auto& [name, tensor] : examples.inputs) {
    if (tensor.size(0) != examples.size() || (examples.label.defined() && examples.label.size(0) != examples.size())) {
      throw Error(ErrorCode::data, "columns have different numbers of examples", {.file = path});
    }
  }
  return examples;
}

// Which examples have their label already.
at::Tensor is_labelled(const Examples& examples) {
  const auto& label = examples.label;
  if (!label.defined()) return at::full({examples.size()}, false, at::kBool);
  if (label.is_floating_point()) return label.isnan().logical_not().reshape({examples.size(), -1}).all(1);
  return label.dim() == 1 && label.scalar_type() != at::kBool ? label >= 0 : at::full({examples.size()}, true, at::kBool);
}

void check_alike(const Examples& first, const Examples& other, const std::string& path) {
  bool alike = first.inputs.size() == other.inputs.size();
  for (std::size_t i = 0; alike && i < first.inputs.size(); ++i) {
    const auto &a = first.inputs[i].second, &b = other.inputs[i].second;
    alike = first.inputs[i].first == other.inputs[i].first && a.scalar_type() == b.scalar_type() && a.sizes().slice(1) == b.sizes().slice(1);
  }
  if (!alike) throw Error(ErrorCode::data, "columns, types or sizes differ from those of the other files", {.file = path}, "one folder of traffic is that of one model");
}

// One behind the other. Files without labels get those of `none` where others have some.
Examples join(const std::vector<Examples>& parts) {
  Examples whole;
  for (std::size_t i = 0; i < parts.front().inputs.size(); ++i) {
    std::vector<at::Tensor> columns;
    for (const auto& part : parts) columns.push_back(part.inputs[i].second);
    whole.inputs.emplace_back(parts.front().inputs[i].first, at::cat(columns));
  }
  const auto labelled = std::ranges::find_if(parts, [](const Examples& part) { return part.label.defined(); });
  if (labelled == parts.end()) return whole;
  std::vector<at::Tensor> labels;
  for (const auto& part : parts) {
    auto sizes = labelled->label.sizes().vec();
    sizes.front() = part.size();
    const double none = labelled->label.is_floating_point() ? std::nan("") : -1;
    labels.push_back(part.label.defined() ? part.label : at::full(sizes, none, labelled->label.options()));
  }
  whole.label = at::cat(labels);
  return whole;
}

std::vector<std::string> recent_files(const LoopTraffic& config) {
  const auto oldest = fs::file_time_type::clock::now() - std::chrono::seconds(std::llround(config.window_seconds()));
  auto files = files_by_time(config.path.path);
  std::erase_if(files, [&](const std::string& file) { return fs::last_write_time(file) < oldest; });
  std::ranges::sort(files);  // a file is written again when its labels come
  return files;
}

std::optional<Examples> read_window(const LoopTraffic& config, Traffic& traffic) {
  std::vector<Examples> parts;
  for (const auto& file : recent_files(config)) {
    try {
      parts.push_back(read_examples(file, config.label));
    } catch (const Error& error) {
      traffic.notes.push_back(std::string("left out of the traffic: ") + error.what());
      continue;
    }
    check_alike(parts.front(), parts.back(), file);
    if (config.labels == LabelsCome::complete && !is_labelled(parts.back()).all().item<bool>()) {
      throw Error(ErrorCode::data, "there are examples without a label", {.file = file}, "write `labels: late` where labels come later");
    }
  }
  return parts.empty() ? std::nullopt : std::optional(join(parts));
}

std::int64_t trial_size(const std::string& split, std::int64_t labelled) {
  const auto start = *parse_split(split).start;
  const double wanted = start.is_percent ? std::floor(-start.value / 100 * static_cast<double>(labelled) + 0.5) : -start.value;
  return std::min(labelled, static_cast<std::int64_t>(wanted));
}

// Rows of the old training data, drawn so that they make the share that is asked for.
Columns with_replay(const LoopReplay& replay, const std::string& label, Columns recent) {
  const auto old = read_examples(replay.path.path, label);
  if (!old.label.defined()) throw Error(ErrorCode::data, "old examples need labels", {.file = replay.path.path}, "add the column " + label);
  Examples some{.inputs = recent, .label = {}};
  const auto at_label = std::ranges::find(some.inputs, label, &Columns::value_type::first);
  some.inputs.erase(at_label);
  check_alike(some, old, replay.path.path);
  const auto wanted = std::llround(replay.share / (1 - replay.share) * static_cast<double>(some.size()));
  const auto count = std::min<std::int64_t>(wanted, old.size());
  auto order = permutation(old.size(), derive_seed(0, "replay"));
  order.resize(static_cast<std::size_t>(count));
  const at::Tensor rows = at::from_blob(order.data(), {count}, at::kLong);
  auto drawn = old.select(rows);
  drawn.emplace_back(label, old.label.index_select(0, rows));
  for (auto& [name, column] : recent) column = at::cat({column, std::ranges::find(drawn, name, &Columns::value_type::first)->second.to(column.scalar_type())});
  return recent;
}

}  // namespace

std::vector<std::string> files_by_time(const std::string& pattern) {
  glob_t found{};
  std::vector<std::pair<fs::file_time_type, std::string>> files;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) {
      std::error_code gone;  // a file that vanishes now is not there
      const auto time = fs::last_write_time(found.gl_pathv[i], gone);
      if (!gone) files.emplace_back(time, found.gl_pathv[i]);
    }
  }
  ::globfree(&found);
  std::ranges::sort(files);
  std::vector<std::string> names;
  for (auto& [time, name] : files) names.push_back(std::move(name));
  return names;
}

Traffic gather_traffic(const LoopTraffic& config, const std::string& trial_split, const std::string& folder) {
  Traffic traffic{.folder = folder};
  fs::remove_all(folder);
  make_folders(folder);
  const auto window = read_window(config, traffic);
  if (!window) return traffic;
  traffic.examples = window->size();
  write_safetensors(traffic.all_file(), {.tensors = window->inputs, .metadata = {}});
  const at::Tensor rows = is_labelled(*window).nonzero().flatten();
  traffic.trial = trial_size(trial_split, rows.numel());
  traffic.train = rows.numel() - traffic.trial;
  const auto write = [&](const std::string& path, const at::Tensor& chosen, bool replay) {
    auto columns = window->select(chosen);
    columns.emplace_back(config.label, window->label.index_select(0, chosen));
    if (replay && config.replay) columns = with_replay(*config.replay, config.label, std::move(columns));
    write_safetensors(path, {.tensors = std::move(columns), .metadata = {}});
  };
  if (traffic.trial > 0) write(traffic.trial_file(), rows.narrow(0, traffic.train, traffic.trial), false);
  if (traffic.train > 0) write(traffic.train_file(), rows.narrow(0, 0, traffic.train), true);
  return traffic;
}

}  // namespace dsc
