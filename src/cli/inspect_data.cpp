#include "cli/inspect_data.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>

#include "cli/recipe_options.h"
#include "core/printed.h"
#include "data/answers.h"
#include "data/batch_order.h"
#include "data/class_dimension.h"
#include "eval/warping.h"
#include "ir/describe.h"
#include "pipeline/prepare.h"

namespace dsc {
namespace {

using Json = nlohmann::ordered_json;

struct DataCommand {
  RecipeOptions recipe;
  std::string split;
  std::int64_t show = 3;
  std::optional<std::int64_t> dtw;  // the band; absent: not asked for
};

std::vector<std::int64_t> row_of(const at::Tensor& tensor) {
  const at::Tensor row = tensor.reshape({-1}).contiguous();
  const auto* values = row.const_data_ptr<std::int64_t>();
  return {values, values + row.numel()};
}

// "0, 2, 5" of a mask's classes.
std::string class_list(const at::Tensor& target) {
  const auto values = row_of(target);
  const std::set<std::int64_t> classes(values.begin(), values.end());
  std::string text;
  for (const auto c : classes) text += (text.empty() ? "" : ", ") + (c == kNoLabel ? std::string("none") : std::to_string(c));
  return text;
}

Json target_json(const at::Tensor& target, const DatasetInfo& info) {
  if (target.scalar_type() == at::kLong && target.numel() == 1) {
    const auto number = target.item<std::int64_t>();
    if (info.class_names.empty()) return number;
    return info.class_names[static_cast<std::size_t>(number)];
  }
  if (target.scalar_type() == at::kLong && target.dim() > 2) return "classes " + class_list(target) + " of " + describe_sizes(target[0]) + " pixels";
  if (target.scalar_type() == at::kLong) return row_of(target);
  return target.numel() == 1 ? Json(target.item<double>()) : Json("[" + std::to_string(target.numel()) + " numbers]");
}

Json example_json(const Dataset& dataset, std::int64_t index) {
  const Batch batch = dataset.batch(std::vector<std::int64_t>{index}, std::nullopt);
  const auto& info = dataset.info();
  Json json{{"index", index}};
  if (const auto text = dataset.show(index); !text.empty()) json["text"] = text;
  if (batch.target.defined()) json["label"] = target_json(batch.target, info);
  for (const LabelColumn& label : batch.labels) json["label " + label.name] = target_json(label.target, {});
  if (const auto* answers = dataset.answers()) {
    const auto span = row_of(batch.target);
    const auto& window = answers->windows[static_cast<std::size_t>(index)];
    if (span[0] >= window.position && window.tokens > 0) json["answer"] = answers->text(window, span[0], span[1]);
  }
  for (std::size_t i = 0; i < batch.inputs.size(); ++i) {
    const at::Tensor& input = batch.inputs[i];
    const std::string name = info.input_names.empty() ? "input " + std::to_string(i) : info.input_names[i];
    if (input.scalar_type() == at::kLong) {
      json[name] = row_of(input);
    } else {
      const at::Tensor values = input.to(at::kFloat);
      json[name] = printed("mean %.4f, standard deviation %.4f, from %.4f to %.4f", values.mean().item<double>(), values.std().item<double>(),
                           values.min().item<double>(), values.max().item<double>());
    }
  }
  return json;
}

// How often each class occurs, or the range of numbers; null for other targets.
Json label_summary(const Dataset& dataset) {
  std::map<std::int64_t, std::int64_t> counts;
  double least = INFINITY, most = -INFINITY;
  BatchLoader loader(dataset, {.batch = 256});
  while (const auto batch = loader.next()) {
    if (!batch->target.defined() || batch->target.dim() != 1) return nullptr;
    if (batch->target.scalar_type() == at::kLong) {
      for (const auto label : row_of(batch->target)) ++counts[label];
    } else {
      least = std::min(least, batch->target.min().item<double>());
      most = std::max(most, batch->target.max().item<double>());
    }
  }
  if (counts.empty()) return printed("from %g to %g", least, most);
  Json json = Json::object();
  const auto& names = dataset.info().class_names;
  for (const auto& [label, count] : counts) json[names.empty() ? std::to_string(label) : names[static_cast<std::size_t>(label)]] = count;
  return json;
}

// Share of padding when batches are made without regard to length.
double random_padding(const Dataset& dataset, std::int64_t batch) {
  const auto order = batch_order(dataset.size(), {}, {.batch = batch, .shuffle = true});
  return padding_share(order, dataset.lengths(), batch);
}

Json length_summary(const Dataset& dataset, std::int64_t batch) {
  std::vector<std::int64_t> lengths(dataset.lengths().begin(), dataset.lengths().end());
  std::sort(lengths.begin(), lengths.end());
  const auto at = [&](double share) { return lengths[static_cast<std::size_t>(share * static_cast<double>(lengths.size() - 1))]; };
  return {{"shortest", lengths.front()},
          {"median", at(0.5)},
          {"p95", at(0.95)},
          {"longest", lengths.back()},
          {"tokens", std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0})},
          {"batch", batch},
          {"padding", padding_in_batches(dataset, batch)},
          {"padding_in_random_batches", random_padding(dataset, batch)}};
}

Json split_json(const std::string& name, const SplitConfig& config, const Dataset& dataset, const Recipe& recipe, std::int64_t show) {
  const auto& info = dataset.info();
  Json json{{"split", name}, {"data", info.description}, {"examples_in_total", dataset.size()}};
  for (std::size_t i = 0; i < info.inputs.size(); ++i) {
    json["inputs"].push_back({{"name", info.input_names.empty() ? "" : info.input_names[i]}, {"example", describe_type(info.inputs[i])}});
  }
  if (auto labels = label_summary(dataset); !labels.is_null()) json["labels"] = std::move(labels);
  if (!dataset.lengths().empty()) json["lengths"] = length_summary(dataset, recipe.evaluate.batch);
  if (!info.notes.empty()) json["notes"] = info.notes;
  json["examples"] = Json::array();
  const std::int64_t count = std::min(show, dataset.size());
  for (std::int64_t i = 0; i < count; ++i) json["examples"].push_back(example_json(dataset, i));
  if (!holds_text(config.format) || config.augment.empty()) return json;
  for (std::int64_t i = std::max(count, dataset.size() - show); i < dataset.size(); ++i) json["augmented"].push_back(example_json(dataset, i));  // copies come last
  return json;
}

std::string example_text(const Json& example) {
  std::string text = "  " + std::to_string(example["index"].get<std::int64_t>());
  for (const auto& [key, value] : example.items()) {
    if (key == "index" || key == "attention_mask") continue;
    text += (key == "text" ? "  " : "\n     " + key + " ") + (value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text + "\n";
}

void print_split(const Json& json) {
  std::cout << json["split"].get<std::string>() << ": " << json["data"].get<std::string>() << '\n';
  for (const auto& input : json["inputs"]) std::cout << "  input   " << input["name"].get<std::string>() << ' ' << input["example"].get<std::string>() << " an example\n";
  if (json.contains("labels")) std::cout << "  labels  " << (json["labels"].is_string() ? json["labels"].get<std::string>() : json["labels"].dump()) << '\n';
  if (json.contains("lengths")) {
    const auto& lengths = json["lengths"];
    std::cout << "  tokens  " << lengths["shortest"] << " to " << lengths["longest"] << ", median " << lengths["median"] << ", 95 % up to "
              << lengths["p95"]
              << printed("; padding %.1f %% in batches of %lld, %.1f %% if lengths were mixed", 100 * lengths["padding"].get<double>(),
                         static_cast<long long>(lengths["batch"].get<std::int64_t>()), 100 * lengths["padding_in_random_batches"].get<double>())
              << '\n';
  }
  if (json.contains("notes")) {
    for (const auto& note : json["notes"]) std::cout << "  note    " << note.get<std::string>() << '\n';
  }
  for (const auto& example : json["examples"]) std::cout << example_text(example);
  if (!json.contains("augmented")) return;
  std::cout << "  augmented\n";
  for (const auto& example : json["augmented"]) std::cout << example_text(example);
}

// All series of a split as [N, steps, channels].
at::Tensor series_of(const DataSection& section, const Recipe& recipe, std::vector<std::int64_t>& labels) {
  if (section.config.format != DataFormat::series)
    throw Error(ErrorCode::usage, "--dtw is for time series, and data." + section.name + " is none", {.file = recipe.path},
                "use data of format series");
  const auto dataset = open_dataset(section.config, recipe.data.normalize, recipe.limit);
  std::vector<std::int64_t> all(static_cast<std::size_t>(dataset->size()));
  std::iota(all.begin(), all.end(), std::int64_t{0});
  const Batch batch = dataset->batch(all, std::nullopt);
  if (!batch.target.defined() || batch.target.scalar_type() != at::kLong)
    throw Error(ErrorCode::usage, "--dtw compares classes, and data." + section.name + " has none", {.file = recipe.path});
  labels = row_of(batch.target);
  const at::Tensor& values = batch.inputs.front();
  if (section.config.series.layout == SeriesLayout::channels_last) return values.to(at::kDouble).contiguous();
  return (values.dim() == 2 ? values.unsqueeze(2) : values.transpose(1, 2)).to(at::kDouble).contiguous();
}

// What the nearest series of data.train says of each of data.eval: what any network has to beat.
Json nearest_json(const Recipe& recipe, std::int64_t band) {
  const auto sections = data_sections(recipe);
  const auto train = std::ranges::find(sections, "train", &DataSection::name), eval = std::ranges::find(sections, "eval", &DataSection::name);
  if (train == sections.end() || eval == sections.end())
    throw Error(ErrorCode::usage, "--dtw compares data.eval with data.train, and the recipe has not both", {.file = recipe.path});
  std::vector<std::int64_t> known_labels, labels;
  const at::Tensor known = series_of(*train, recipe, known_labels), asked = series_of(*eval, recipe, labels);
  if (known.sizes().slice(1) != asked.sizes().slice(1))
    throw Error(ErrorCode::data, "series of data.train and data.eval differ in length or channels", {.file = recipe.path}, "set `length` in both");
  const auto nearest = nearest_by_warping(asked, known, band, false);
  double right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) right += known_labels[static_cast<std::size_t>(nearest[i])] == labels[i] ? 1 : 0;
  return {{"band", band}, {"accuracy", right / static_cast<double>(labels.size())}, {"examples", labels.size()}};
}

int inspect_data(const Session& session, const DataCommand& command) {
  const auto recipe = load_recipe(command.recipe, session);
  Json splits = Json::array();
  for (const auto& section : data_sections(recipe)) {
    if (!command.split.empty() && command.split != section.name) continue;
    try {
      splits.push_back(split_json(section.name, section.config, *open_dataset(section.config, recipe.data.normalize, recipe.limit), recipe, command.show));
    } catch (const Error& error) {
      throw place_below(recipe, section.pointer, error);
    }
  }
  if (splits.empty()) throw Error(ErrorCode::usage, command.split.empty() ? "the recipe has no data" : "the recipe has no data." + command.split, {.file = recipe.path});
  const Json nearest = command.dtw ? nearest_json(recipe, *command.dtw) : Json();
  if (session.json) {
    Json json{{"recipe", recipe.path}, {"splits", splits}};
    if (!nearest.is_null()) json["nearest_by_dtw"] = nearest;
    std::cout << json.dump() << '\n';
    return 0;
  }
  for (const auto& split : splits) print_split(split);
  if (!nearest.is_null()) {
    std::cout << printed("nearest series of train by dynamic time warping: %.2f %% of %lld right\n", 100 * nearest["accuracy"].get<double>(),
                         static_cast<long long>(nearest["examples"].get<std::int64_t>()));
  }
  return 0;
}

}  // namespace

CLI::App* add_inspect_data_command(CLI::App& inspect, Session& session) {
  auto command = std::make_shared<DataCommand>();
  auto* sub = inspect.add_subcommand("data", "Show examples, labels, lengths and padding of a recipe's data");
  add_recipe_options(*sub, command->recipe);
  sub->add_option("--split", command->split, "train, valid, eval, calibration or more.NAME; default: all")->type_name("NAME");
  sub->add_option("--show", command->show, "Examples to show of each split")->check(CLI::NonNegativeNumber)->capture_default_str()->type_name("N");
  sub->add_option("--dtw", command->dtw,
                  "Of time series: how often the nearest series of data.train, by dynamic time warping of up to BAND steps (0: any), has the class "
                  "of one of data.eval")
      ->check(CLI::NonNegativeNumber)
      ->type_name("BAND");
  sub->add_flag("--json", session.json, "Print JSON");
  sub->footer("Examples:\n  dscompress inspect data recipe.yaml\n  dscompress inspect data recipe.yaml --split train --show 10 --json");
  sub->callback([&session, command] { session.run = [&session, command] { return inspect_data(session, *command); }; });
  return sub;
}

}  // namespace dsc
