#include "sweep/sampler.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/hash.h"
#include "core/log.h"
#include "core/printed.h"
#include "pipeline/step_cache.h"
#include "sweep/optuna_script.h"

namespace dsc::sweep {
namespace {

using nlohmann::ordered_json;

constexpr int kAsks = 200;  // for one trial, until one comes that is new and meets all conditions

ordered_json ask_child(LineChild& child, const ordered_json& question) {
  const auto answer = ordered_json::parse(child.ask(question.dump()));
  if (!answer.contains("error")) return answer;
  const std::string error = answer.at("error"), missing = answer.value("missing", "");
  throw Error(ErrorCode::usage, "Optuna's sampler: " + error, {}, missing.empty() ? "" : "install it: pip install " + missing + "; another interpreter: export DSCOMPRESS_PYTHON=/path/to/python");
}

bool is_ordered(const Axis& axis) {
  if (axis.paths.size() > 1) return false;
  double last = -1e300;
  for (const auto& point : axis.points) {
    const auto look = look_of(plain_tree(point.front()));
    const double value = std::strtod(point.front().c_str(), nullptr);
    if ((look != ScalarLook::integer && look != ScalarLook::number) || value <= last) return false;
    last = value;
  }
  return true;
}

RecipeInput input_of(const Settings& settings) {
  for (const auto& [file, print] : settings.files) {
    if (fingerprint_path(file) == print) continue;
    throw Error(ErrorCode::recipe, "the recipe has changed since the sweep started, and further trials are made from it", {.file = file}, "restore it, or start another sweep");
  }
  return {.path = settings.recipe, .vars_files = settings.vars_files, .overrides = settings.overrides};
}

}  // namespace

bool is_sampled(SweepMethod method) { return method != SweepMethod::grid && method != SweepMethod::list && method != SweepMethod::random; }

std::unique_ptr<LineChild> start_optuna(SweepMethod method, std::int64_t seed, const std::vector<Axis>& axes, const std::map<std::string, Direction>& objectives) {
  const char* named = std::getenv("DSCOMPRESS_PYTHON");
  auto child = std::make_unique<LineChild>(std::vector<std::string>{named && *named ? named : "python3", "-c", kOptunaScript});
  ordered_json space = ordered_json::object(), directions = ordered_json::array();
  for (const auto& axis : axes) {
    if (axis.points.empty()) space[axis.paths.front()] = {{"float", {axis.low, axis.high}}, {"log", axis.logarithmic}};
    else space[axis.paths.front()] = {{"index", axis.points.size()}, {"ordered", is_ordered(axis)}};
  }
  for (const auto& [unused, direction] : objectives) directions.push_back(to_text(direction));
  ask_child(*child, {{"op", "open"}, {"sampler", to_text(method)}, {"seed", seed}, {"directions", directions}, {"space", space}});
  return child;
}

Sampler::Sampler(const Folder& folder, const PassTable& passes)
    : folder_(folder), settings_(folder.read_settings()), section_(load_sweep_section(input_of(settings_))), recipes_(input_of(settings_), section_, passes), axes_(make_axes(section_.config, false)) {
  recipes_.set_threads(settings_.threads);
  optuna_ = start_optuna(settings_.method, recipes_.base().seed, axes_, settings_.objectives);
}

bool Sampler::has_ended() const {
  return std::ranges::all_of(batch_, [&](const Asked& asked) { return folder_.has_result(asked.number); });
}

void Sampler::advance() {
  while (!done_ && has_ended()) {
    tell_batch();
    ask_batch();
  }
}

void Sampler::tell(std::int64_t optuna, const Result* result) {
  ordered_json question{{"op", "tell"}, {"trial", optuna}};
  if (result && !result->failed && !result->stopped) {
    auto values = ordered_json::array();
    for (const auto& [name, unused] : settings_.objectives) values.push_back(result->figures.at(name));
    question["values"] = values;
    question["violated"] = result->violations.size();
  }
  ask_child(*optuna_, question);
}

void Sampler::tell_batch() {
  for (const auto& asked : batch_) {
    const auto result = folder_.read_result(asked.number);
    tell(asked.optuna, &result);
  }
  batch_.clear();
}

void Sampler::ask_batch() {
  const auto before = asked_.size();
  const auto most = std::min<std::size_t>(static_cast<std::size_t>(section_.config.batch), static_cast<std::size_t>(settings_.limits.trials) - before);
  while (asked_.size() < before + most && ask_one()) {
  }
  if (asked_.size() > before) queue_batch({asked_.begin() + static_cast<std::ptrdiff_t>(before), asked_.end()});
  if (asked_.size() == before + most && asked_.size() < static_cast<std::size_t>(settings_.limits.trials)) return;
  if (asked_.size() < static_cast<std::size_t>(settings_.limits.trials)) log_info("the sampler finds no further trial that is new and meets all conditions");
  folder_.write_complete();
  done_ = true;
}

// returns: false when the sampler only repeats itself.
bool Sampler::ask_one() {
  for (int i = 0; i < kAsks; ++i) {
    const auto answer = ask_child(*optuna_, {{"op", "ask"}});
    const std::int64_t optuna = answer.at("trial");
    const auto assignment = assignment_of(answer.at("params").dump());
    const auto known = numbers_.find(assignment);
    if (known == numbers_.end() && meets_conditions(section_.config, assignment)) {
      asked_.push_back(assignment);
      batch_.push_back({optuna, static_cast<std::int64_t>(asked_.size())});
      numbers_.emplace(assignment, asked_.size());
      return true;
    }
    // One of an earlier batch has its result already; nothing is known of others.
    const bool has_result = known != numbers_.end() && std::ranges::find(batch_, known->second, &Asked::number) == batch_.end();
    const auto result = has_result ? std::optional(folder_.read_result(known->second)) : std::nullopt;
    tell(optuna, result ? &*result : nullptr);
  }
  return false;
}

Assignment Sampler::assignment_of(const std::string& answer) const {
  const auto params = ordered_json::parse(answer);
  Assignment assignment;
  for (const auto& axis : axes_) {
    const auto& value = params.at(axis.paths.front());
    if (axis.points.empty()) {
      assignment[axis.paths.front()] = neat_number(value.get<double>());
      continue;
    }
    const auto& point = axis.points.at(value.get<std::size_t>());
    for (std::size_t i = 0; i < axis.paths.size(); ++i) assignment[axis.paths[i]] = point[i];
  }
  return assignment;
}

void Sampler::queue_batch(const std::vector<Assignment>& batch) {
  std::vector<std::vector<std::string>> prefixes;
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto recipe = recipes_.make(batch_[i].number, batch[i]);
    prefixes.push_back(recipe_prefixes(recipe));
    texts.push_back(dump_recipe(recipe));
  }
  const auto queued = folder_.queued();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto number = batch_[i].number;
    const auto is_shared = [&](const std::string& prefix) {
      const auto in_batch = std::ranges::count_if(prefixes, [&](const auto& other) { return std::ranges::find(other, prefix) != other.end(); });
      return prefixes_.contains(prefix) || in_batch > 1;
    };
    if (!std::ranges::binary_search(queued, number)) {
      folder_.write_trial({number, batch[i], std::ranges::count_if(prefixes[i], is_shared)}, texts[i]);
    } else if (folder_.read_trial(number).parameters != batch[i]) {
      throw Error(ErrorCode::data, "the sampler now chooses other values for trial " + std::to_string(number), {.file = folder_.path()}, "use the Optuna that the sweep was started with, or start another sweep");
    }
  }
  for (const auto& trial : prefixes) prefixes_.insert(trial.begin(), trial.end());
}

}  // namespace dsc::sweep
