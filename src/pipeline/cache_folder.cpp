#include "pipeline/cache_folder.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "core/hash.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kLimitOfUser = 20'000'000'000;
constexpr auto kHalfWritten = std::chrono::hours(24);  // no state takes that long to write
constexpr const char* kEntry = "/entry.json";

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// None: others have removed it meanwhile.
std::optional<CacheEntry> read_entry(const fs::path& path) {
  std::error_code gone;
  CacheEntry entry{.key = path.filename(), .path = path, .step = {}, .used = fs::last_write_time(path.string() + kEntry, gone)};
  if (gone) return std::nullopt;
  for (const auto& file : fs::directory_iterator(path, gone)) {
    std::error_code unsized;
    const auto bytes = file.file_size(unsized);
    if (!unsized) entry.bytes += static_cast<std::int64_t>(bytes);
  }
  try {
    entry.step = nlohmann::json::parse(read_file(path.string() + kEntry)).value("step", "");
  } catch (const std::exception&) {
    entry.step = "(damaged)";  // `verify` says what is wrong
  }
  return entry;
}

// First out of the way under another name, so that no reader finds half of it.
void remove_entry(const CacheEntry& entry, const std::string& folder) {
  const auto aside = folder + "/.new-" + entry.key + "-removed";
  std::error_code taken;  // another process was faster
  fs::rename(entry.path, aside, taken);
  fs::remove_all(aside, taken);
}

void remove_half_written(const std::string& folder) {
  std::error_code ignored;  // what another process has just removed
  for (const auto& item : fs::directory_iterator(folder, ignored)) {
    if (!item.path().filename().string().starts_with(".new-")) continue;
    const auto written = fs::last_write_time(item.path(), ignored);
    if (!ignored && fs::file_time_type::clock::now() - written > kHalfWritten) fs::remove_all(item.path(), ignored);
  }
}

}  // namespace

std::string user_cache_folder() {
  const auto base = variable("XDG_CACHE_HOME"), home = variable("HOME");
  if (!base.empty()) return base + "/dscompress/steps";
  if (!home.empty()) return home + "/.cache/dscompress/steps";
  throw Error(ErrorCode::usage, "neither XDG_CACHE_HOME nor HOME says where your step cache is", {}, "give --cache DIR, or --no-cache");
}

std::vector<CacheEntry> list_cache(const std::string& folder) {
  if (!fs::is_directory(folder)) throw Error(ErrorCode::usage, "there is no step cache", {.file = folder}, "`sweep` makes one, and `run --cache DIR`");
  std::vector<CacheEntry> entries;
  std::error_code gone;
  for (const auto& shelf : fs::directory_iterator(folder, gone)) {
    if (shelf.path().filename().string().size() != 2 || !shelf.is_directory()) continue;
    for (const auto& item : fs::directory_iterator(shelf.path(), gone)) {
      if (auto entry = read_entry(item.path())) entries.push_back(std::move(*entry));
    }
  }
  std::ranges::sort(entries, [](const CacheEntry& a, const CacheEntry& b) { return a.used != b.used ? a.used > b.used : a.key < b.key; });
  return entries;
}

std::optional<std::int64_t> cache_limit(const std::string& folder) {
  const auto file = folder + "/limit";
  if (fs::exists(file)) return std::strtoll(read_file(file).c_str(), nullptr, 10);
  const bool is_users = !(variable("XDG_CACHE_HOME") + variable("HOME")).empty() && absolute_path(folder) == absolute_path(user_cache_folder());
  return is_users ? std::optional(kLimitOfUser) : std::nullopt;
}

void set_cache_limit(const std::string& folder, std::int64_t bytes) { write_file_atomically(folder + "/limit", std::to_string(bytes) + "\n"); }

std::vector<CacheEntry> prune_cache(const std::string& folder, std::int64_t bytes) {
  remove_half_written(folder);
  std::vector<CacheEntry> removed;
  std::int64_t sum = 0;
  for (auto& entry : list_cache(folder)) {
    sum += entry.bytes;
    if (sum <= bytes) continue;
    sum -= entry.bytes;
    remove_entry(entry, folder);
    removed.push_back(std::move(entry));
  }
  return removed;
}

std::string damage_of(const std::string& entry_path) {
  try {
    const auto files = nlohmann::json::parse(read_file(entry_path + kEntry)).at("files").get<std::map<std::string, std::string>>();
    for (const auto& [name, print] : files) {
      if (fingerprint_path(entry_path + "/" + name) != print) return "the content of " + name + " has changed";
    }
    return {};
  } catch (const std::exception& error) {
    return error.what();
  }
}

void touch_entry(const std::string& entry_path) {
  std::error_code read_only;  // a cache that may only be read still serves
  fs::last_write_time(entry_path + kEntry, fs::file_time_type::clock::now(), read_only);
}

}  // namespace dsc
