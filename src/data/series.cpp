#include "data/series.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <set>

#include "core/names.h"
#include "data/column.h"
#include "data/match_columns.h"
#include "data/split.h"
#include "dscompress/error.h"
#include "io/pt2_schema.h"
#include "text/utf8.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 5> kExtensions{".ts", ".arff", ".tsv", ".csv", ".txt"};

// Files of this split's name, GunPoint_TRAIN.ts or train.csv for `train`, in one format: that which says most of its labels.
std::vector<fs::path> files_named(const fs::path& folder, const std::string& name) {
  for (const auto extension : kExtensions) {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string stem = to_lower(entry.path().stem().string());
      if (to_lower(entry.path().extension().string()) == extension && (stem == name || stem.ends_with("_" + name))) found.push_back(entry.path());
    }
    if (!found.empty()) return found;
  }
  return {};
}

fs::path locate_series(const SplitConfig& split) {
  const fs::path path = split.path.path;
  const std::string name = parse_split(split.split).name;
  if (fs::is_regular_file(path)) {
    if (name == "all") return path;
    throw Error(ErrorCode::data, "split `" + split.split + "`: " + path.filename().string() + " is one file, it has no splits",
                {.file = path.string()},
                "write split: all, or all with a slice such as all[-50:]; or give its folder, with NAME_TRAIN.ts and NAME_TEST.ts");
  }
  const auto found = files_named(path, to_lower(name));
  if (found.size() == 1) return found.front();
  const std::string files = "*_" + name + ".ts, .arff, .tsv, .csv or .txt";
  throw Error(ErrorCode::data, "split `" + split.split + "`: " + path.string() + (found.empty() ? " has no " : " has several ") + files,
              {.file = path.string()}, "name the file itself as `path`, with split: all");
}

// Whole numbers by value, others as words.
bool is_label_before(const std::string& a, const std::string& b) {
  const auto value = [](const std::string& text) {
    std::int64_t number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    return read.ptr == text.data() + text.size() && read.ec == std::errc{} ? std::optional(number) : std::nullopt;
  };
  const auto x = value(a), y = value(b);
  return x && y ? *x < *y : a < b;
}

// A table does not list its labels: those of the other split's file count, too, so that both are numbered alike.
std::vector<std::string> classes_of(const SplitConfig& split, const SeriesFile& file, const fs::path& path) {
  if (!split.text.classes.empty()) return split.text.classes;
  if (!file.classes.empty()) return file.classes;
  std::set<std::string> labels;
  for (const auto& series : file.series) labels.insert(series.label);
  for (const char* other : {"train", "test"}) {
    if (!fs::is_directory(split.path.path)) break;
    for (const auto& sibling : files_named(split.path.path, other)) {
      if (sibling == path || sibling.extension() != path.extension()) continue;
      for (const auto& series : read_series(sibling.string()).series) labels.insert(series.label);
    }
  }
  std::vector<std::string> classes(labels.begin(), labels.end());
  std::ranges::sort(classes, is_label_before);
  return classes;
}

struct SeriesWindow {
  const LabelledSeries* series = nullptr;
  std::int64_t begin = 0, steps = 0;
};

std::int64_t steps_of(const LabelledSeries& series) { return static_cast<std::int64_t>(series.channels.front().size()); }

Place place_of(const fs::path& path, const LabelledSeries& series) { return {.file = path.string(), .line = series.line}; }

// One window a series, or as many whole ones as fit.
std::vector<SeriesWindow> windows_of(const SplitConfig& split, const SeriesFile& file, const std::vector<std::int64_t>& chosen, const fs::path& path,
                                     std::vector<std::string>& notes) {
  const SeriesConfig& config = split.series;
  std::vector<SeriesWindow> windows;
  std::int64_t cut = 0, filled = 0;
  for (const std::int64_t index : chosen) {
    const LabelledSeries& series = file.series[static_cast<std::size_t>(index)];
    const std::int64_t steps = steps_of(series), most = config.length > 0 ? std::min(config.length, steps) : steps;
    if (config.window == 0) windows.push_back({&series, 0, most});
    for (std::int64_t begin = 0; config.window > 0 && begin + config.window <= steps;
         begin += config.window_stride > 0 ? config.window_stride : config.window) {
      windows.push_back({&series, begin, config.window});
    }
    if (config.window > steps) {
      throw Error(ErrorCode::data, "a series of " + std::to_string(steps) + " steps has no window of " + std::to_string(config.window),
                  place_of(path, series), "give a smaller `window`, or remove the series");
    }
    const std::int64_t wanted = config.length > 0 ? config.length : steps_of(file.series[static_cast<std::size_t>(chosen.front())]);
    if (config.window == 0 && config.length == 0 && steps != wanted) {
      throw Error(ErrorCode::data, "a series of " + std::to_string(steps) + " steps, others have " + std::to_string(wanted), place_of(path, series),
                  "set `length` to cut longer ones and fill shorter ones up with zeros, or `window`");
    }
    cut += config.window == 0 && steps > wanted;
    filled += config.window == 0 && steps < wanted;
  }
  if (cut > 0)
    notes.push_back(std::to_string(cut) + " of " + std::to_string(chosen.size()) + " series are cut to " + std::to_string(config.length) + " steps");
  if (filled > 0)
    notes.push_back(std::to_string(filled) + " of " + std::to_string(chosen.size()) + " series are filled up to " + std::to_string(config.length) +
                    " steps with zeros");
  return windows;
}

// Mean 0 and standard deviation 1 (that of the population, as UCR's); a channel that does not vary becomes 0.
void z_normalize(float* values, std::int64_t steps) {
  double mean = 0, square = 0;
  for (std::int64_t t = 0; t < steps; ++t) mean += static_cast<double>(values[t]) / static_cast<double>(steps);
  for (std::int64_t t = 0; t < steps; ++t)
    square += (static_cast<double>(values[t]) - mean) * (static_cast<double>(values[t]) - mean) / static_cast<double>(steps);
  const double deviation = std::sqrt(square);
  for (std::int64_t t = 0; t < steps; ++t) values[t] = deviation > 0 ? static_cast<float>((static_cast<double>(values[t]) - mean) / deviation) : 0.0F;
}

// [N, C, T].
at::Tensor values_of(const std::vector<SeriesWindow>& windows, const SeriesConfig& config) {
  const auto channels = static_cast<std::int64_t>(windows.front().series->channels.size());
  const std::int64_t steps = config.window == 0 && config.length > 0 ? config.length : windows.front().steps;
  at::Tensor values = at::empty({static_cast<std::int64_t>(windows.size()), channels, steps}, at::kFloat);
  auto* out = values.mutable_data_ptr<float>();
  for (const SeriesWindow& window : windows) {
    for (const auto& channel : window.series->channels) {
      for (std::int64_t t = 0; t < window.steps; ++t) out[t] = static_cast<float>(channel[static_cast<std::size_t>(window.begin + t)]);
      if (config.z_normalize) z_normalize(out, window.steps);
      std::fill(out + window.steps, out + steps, 0.0F);
      out += steps;
    }
  }
  return values;
}

at::Tensor numbers_of(const std::vector<SeriesWindow>& windows, const fs::path& path) {
  at::Tensor labels = at::empty({static_cast<std::int64_t>(windows.size())}, at::kFloat);
  auto* out = labels.mutable_data_ptr<float>();
  for (const SeriesWindow& window : windows) {
    const std::string& text = window.series->label;
    float number = NAN;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    *out++ = number;
    if (read.ec == std::errc{} && read.ptr == text.data() + text.size() && std::isfinite(number)) continue;
    throw Error(ErrorCode::data, "label `" + text + "`, expected a number", place_of(path, *window.series), "mend or remove the series");
  }
  return labels;
}

at::Tensor classes_as_numbers(const std::vector<SeriesWindow>& windows, const std::vector<std::string>& classes, const fs::path& path) {
  at::Tensor labels = at::empty({static_cast<std::int64_t>(windows.size())}, at::kLong);
  auto* out = labels.mutable_data_ptr<std::int64_t>();
  for (const SeriesWindow& window : windows) {
    const auto found = std::ranges::find(classes, window.series->label);
    if (found == classes.end())
      throw Error(ErrorCode::data, "label `" + window.series->label + "`, which `classes` does not name", place_of(path, *window.series),
                  suggest(window.series->label, classes));
    *out++ = found - classes.begin();
  }
  return labels;
}

class SeriesDataset final : public Dataset {
 public:
  SeriesDataset(DatasetInfo info, at::Tensor values, at::Tensor labels, std::vector<std::string> places)
      : info_(std::move(info)), values_(std::move(values)), labels_(std::move(labels)), places_(std::move(places)) {
    TensorType type{.dtype = ScalarType::f32};
    for (const std::int64_t size : values_.sizes().slice(1)) type.sizes.push_back(Dim{size});
    info_.inputs = {type};
  }
  std::int64_t size() const override { return values_.size(0); }
  const DatasetInfo& info() const override { return info_; }
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t>) const override {
    Batch batch;
    batch.indices.assign(indices.begin(), indices.end());
    batch.inputs.push_back(gather_rows(values_, indices, pt2::to_aten(info_.inputs.front().dtype)));
    if (labels_.defined()) batch.target = gather_rows(labels_, indices, labels_.scalar_type());
    return batch;
  }
  bool set_input_type(std::size_t, ScalarType type) override {
    if (!is_floating(type) || !is_readable(pt2::to_aten(type))) return false;
    info_.inputs.front().dtype = type;
    return true;
  }
  std::string show(std::int64_t index) const override { return places_[static_cast<std::size_t>(index)]; }

 private:
  DatasetInfo info_;
  at::Tensor values_, labels_;
  std::vector<std::string> places_;
};

at::Tensor laid_out(const at::Tensor& values, SeriesLayout layout) {
  if (layout == SeriesLayout::channels_last) return values.transpose(1, 2).contiguous();
  return layout == SeriesLayout::flat ? values.flatten(1) : values;
}

}  // namespace

std::span<const std::string_view> enum_names(SeriesLayout) {
  static constexpr std::array<std::string_view, 3> kNames{"channels_first", "channels_last", "flat"};
  return kNames;
}

void SeriesConfig::fields(FieldVisitor& visit) {
  visit("layout", layout, {.text = "series: an example as [C, T], as recurrent networks take it [T, C], or as one row of numbers."});
  visit("z_normalize", z_normalize, {.text = "series: each channel of each example to mean 0 and standard deviation 1."});
  visit("length", length,
        {.text = "series: longer ones are cut to this, shorter ones filled up with zeros; 0: all have the same length.",
         .unit = "steps",
         .minimum = 0,
         .maximum = 16777216});
  visit("window", window,
        {.text = "series: length of the windows that each is cut into, with its label; 0: a series is one example.",
         .unit = "steps",
         .minimum = 0,
         .maximum = 16777216});
  visit("window_stride", window_stride,
        {.text = "series: from the start of a window to the next one's; 0: `window`.", .unit = "steps", .minimum = 0, .maximum = 16777216});
  visit.check(window > 0 && length > 0 ? "window and length exclude each other: windows are whole" : "");
  visit.check(window == 0 && window_stride > 0 ? "window_stride belongs to window, which is not given" : "");
}

std::unique_ptr<Dataset> open_series(const SplitConfig& split) {
  const fs::path path = locate_series(split);
  const SeriesFile file = read_series(path.string());
  const auto chosen = select_examples(split, static_cast<std::int64_t>(file.series.size()));
  if (!split.augment.empty())
    throw Error(ErrorCode::data, "augment is for images and text, and these are series", {.pointer = "/augment"}, "remove augment");
  DatasetInfo info;
  const auto windows = windows_of(split, file, chosen, path, info.notes);
  at::Tensor labels;
  if (file.has_numbers || split.text.regression) {
    labels = numbers_of(windows, path);
  } else if (file.has_labels) {
    info.class_names = classes_of(split, file, path);
    info.classes = static_cast<std::int64_t>(info.class_names.size());
    labels = classes_as_numbers(windows, info.class_names, path);
  }
  std::vector<std::string> places;
  for (const SeriesWindow& window : windows) {
    places.push_back(path.filename().string() + ":" + std::to_string(window.series->line) +
                     (split.series.window > 0 ? ", step " + std::to_string(window.begin) : ""));
  }
  info.description = "series " + path.filename().string() + (split.split == "all" ? "" : " " + split.split) + ", " + std::to_string(windows.size()) +
                     (split.series.window > 0 ? " windows" : " examples");
  return std::make_unique<SeriesDataset>(std::move(info), laid_out(values_of(windows, split.series), split.series.layout), std::move(labels),
                                         std::move(places));
}

}  // namespace dsc
