#include "sweep/folder.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "core/file.h"
#include "core/printed.h"

namespace dsc::sweep {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::int64_t kVersion = 1;

template <class E>
E enum_from(const std::string& text) {
  const auto names = enum_names(E{});
  const auto found = std::ranges::find(names, text);
  if (found == names.end()) throw std::invalid_argument("unknown word " + text);
  return static_cast<E>(found - names.begin());
}

// Reads a JSON file of the folder with `read`; what is wrong with it becomes an error that names it.
template <class Read>
auto read_json_file(const std::string& path, Read read) {
  const auto text = read_file(path);
  try {
    return read(ordered_json::parse(text));
  } catch (const std::exception& error) {
    throw Error(ErrorCode::data, std::string("this file of a sweep is damaged: ") + error.what(), {.file = path}, "restore it, or start the sweep again in another folder");
  }
}

}  // namespace

std::string Folder::trial_name(std::int64_t number) { return printed("%04lld", static_cast<long long>(number)); }

bool Folder::is_sweep(const std::string& path) { return fs::exists(path + "/sweep.json"); }

std::string Folder::run_folder(std::int64_t trial, std::optional<std::int64_t> seed) const {
  return file("trials/" + trial_name(trial)) + (seed ? "/seed-" + std::to_string(*seed) : "");
}

void Folder::check_new() const {
  if (!fs::exists(path_)) return;
  if (is_sweep(path_)) throw Error(ErrorCode::usage, "the folder holds a sweep already", {.file = path_}, "go on with it: dscompress resume " + path_ + ", or choose another --output-dir");
  const std::set<std::string> own = {"queue", "claims", "trials", "results", "workers", "reached", "driver.lock"};
  for (const auto& entry : fs::directory_iterator(path_)) {
    if (own.contains(entry.path().filename().string())) continue;
    throw Error(ErrorCode::usage, "the folder is not empty", {.file = path_}, "choose another --output-dir");
  }
}

void Folder::create() const {
  fs::remove_all(file("queue"));
  for (const auto* name : {"queue", "claims", "trials", "results", "workers", "reached"}) make_folders(file(name));
}

void Folder::write_settings(const Settings& s) const {
  ordered_json json{{"version", kVersion},
                    {"recipe", s.recipe},
                    {"name", s.name},
                    {"build", s.build},
                    {"started_at", s.started_at},
                    {"method", to_text(s.method)},
                    {"parameters", s.parameters},
                    {"objectives", ordered_json::object()},
                    {"constraints", s.constraints},
                    {"choose_on", to_text(s.choose_on)},
                    {"seeds", s.seeds},
                    {"limits", {{"trials", s.limits.trials}, {"hours", s.limits.hours}, {"failures", s.limits.failures}}},
                    {"workers", s.workers},
                    {"threads", s.threads},
                    {"cache", s.cache},
                    {"tensorboard", s.tensorboard},
                    {"notes", s.notes},
                    {"vars_files", s.vars_files},
                    {"files", s.files},
                    {"overrides", ordered_json::array()}};
  json["stop_early"] = s.stop_early ? ordered_json{{"after", s.stop_early->after}, {"rule", to_text(s.stop_early->rule)}, {"trials", s.stop_early->trials}, {"metric", s.stop_metric}} : ordered_json();
  for (const auto& override : s.overrides) json["overrides"].push_back({override.path, override.value, override.origin});
  for (const auto& [figure, direction] : s.objectives) json["objectives"][figure] = to_text(direction);
  write_file_atomically(file("sweep.json"), json.dump(2) + "\n");
}

Settings Folder::read_settings() const {
  if (!is_sweep(path_)) throw Error(ErrorCode::usage, "there is no sweep in this folder", {.file = path_}, "start one: dscompress sweep RECIPE --output-dir " + path_);
  return read_json_file(file("sweep.json"), [](const ordered_json& json) {
    if (json.at("version") > kVersion) throw std::invalid_argument("it was written by a newer dscompress");
    Settings s{.recipe = json.at("recipe"), .name = json.at("name"), .build = json.at("build"), .started_at = json.at("started_at"), .method = enum_from<SweepMethod>(json.at("method"))};
    s.parameters = json.at("parameters").get<std::vector<std::string>>();
    for (const auto& [figure, direction] : json.at("objectives").items()) s.objectives[figure] = enum_from<Direction>(direction);
    s.constraints = json.at("constraints");
    s.choose_on = enum_from<ChooseOn>(json.at("choose_on"));
    s.seeds = json.at("seeds").get<std::vector<std::int64_t>>();
    if (const auto& stop = json.at("stop_early"); !stop.is_null()) {
      s.stop_early = StopEarly{.after = stop.at("after"), .rule = enum_from<StopRule>(stop.at("rule")), .trials = stop.at("trials")};
      s.stop_metric = stop.at("metric");
    }
    s.limits = {json.at("limits").at("trials"), json.at("limits").at("hours"), json.at("limits").at("failures")};
    s.workers = json.at("workers");
    s.threads = json.at("threads");
    s.cache = json.at("cache");
    s.tensorboard = json.value("tensorboard", false);  // sweeps of earlier versions do not say
    s.notes = json.at("notes").get<std::vector<std::string>>();
    s.vars_files = json.at("vars_files").get<std::vector<std::string>>();
    s.files = json.at("files").get<std::map<std::string, std::string>>();
    for (const auto& override : json.at("overrides")) s.overrides.push_back({override.at(0), override.at(1), override.at(2)});
    return s;
  });
}

void Folder::write_trial(const Trial& trial, const std::string& recipe) const {
  write_file_atomically(queued_recipe(trial.number), recipe);
  const ordered_json json{{"trial", trial.number}, {"parameters", trial.parameters}, {"shared_states", trial.shared_states}};
  write_file_atomically(file("queue/" + trial_name(trial.number) + ".json"), json.dump(2) + "\n");
}

Trial Folder::read_trial(std::int64_t number) const {
  return read_json_file(file("queue/" + trial_name(number) + ".json"), [](const ordered_json& json) {
    return Trial{json.at("trial"), json.at("parameters").get<Assignment>(), json.at("shared_states")};
  });
}

void Folder::write_complete() const { write_file_atomically(file("queue/complete"), ""); }
bool Folder::is_complete() const { return fs::exists(file("queue/complete")); }

std::vector<std::int64_t> Folder::queued() const {
  std::vector<std::int64_t> numbers;
  for (const auto& entry : fs::directory_iterator(file("queue"))) {
    if (entry.path().extension() == ".json" && !entry.path().filename().string().starts_with('.')) numbers.push_back(std::stoll(entry.path().stem().string()));
  }
  std::ranges::sort(numbers);
  return numbers;
}

void Folder::write_result(const Result& r) const {
  const ordered_json json{{"trial", r.number}, {"status", r.failed ? "failed" : r.stopped ? "stopped" : "complete"}, {"reason", r.reason}, {"figures", r.figures}, {"spread", r.spread},
                          {"violations", r.violations}, {"seconds", r.seconds}, {"attempts", r.attempts}, {"worker", r.worker}};
  write_file_atomically(file("results/" + trial_name(r.number) + ".json"), json.dump(2) + "\n");
}

bool Folder::has_result(std::int64_t number) const { return fs::exists(file("results/" + trial_name(number) + ".json")); }

Result Folder::read_result(std::int64_t number) const {
  return read_json_file(file("results/" + trial_name(number) + ".json"), [](const ordered_json& json) {
    Result r{.number = json.at("trial"), .failed = json.at("status") == "failed", .stopped = json.at("status") == "stopped", .reason = json.at("reason")};
    r.figures = json.at("figures").get<std::map<std::string, double>>();
    r.spread = json.at("spread").get<std::map<std::string, double>>();
    r.violations = json.at("violations").get<std::vector<std::string>>();
    r.seconds = json.at("seconds");
    r.attempts = json.at("attempts");
    r.worker = json.at("worker");
    return r;
  });
}

void Folder::remove_result(std::int64_t number) const { fs::remove(file("results/" + trial_name(number) + ".json")); }

void Folder::write_reached(std::int64_t trial, double value) const {
  write_file_atomically(file("reached/" + trial_name(trial) + ".json"), ordered_json{{"trial", trial}, {"value", value}}.dump() + "\n");
}

std::map<std::int64_t, double> Folder::reached() const {
  std::map<std::int64_t, double> values;
  for (const auto& entry : fs::directory_iterator(file("reached"))) {
    if (entry.path().filename().string().starts_with('.')) continue;
    values.insert(read_json_file(entry.path(), [](const ordered_json& json) { return std::pair<const std::int64_t, double>(json.at("trial"), json.at("value")); }));
  }
  return values;
}

std::optional<std::string> Folder::stop_reason() const {
  if (!fs::exists(file("stop"))) return std::nullopt;
  return read_file(file("stop"));
}
void Folder::write_stop(const std::string& reason) const { write_file_atomically(file("stop"), reason); }
void Folder::remove_stop() const { fs::remove(file("stop")); }

double Folder::spent_seconds() const { return fs::exists(file("spent_seconds")) ? std::strtod(read_file(file("spent_seconds")).c_str(), nullptr) : 0; }
void Folder::write_spent_seconds(double seconds) const { write_file_atomically(file("spent_seconds"), printed("%.1f\n", seconds)); }

}  // namespace dsc::sweep
