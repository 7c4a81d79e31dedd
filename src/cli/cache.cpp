// dscompress cache list, prune, verify: the step cache that sweeps and runs share.
#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cli/session.h"
#include "core/file.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "pipeline/cache_folder.h"

namespace dsc {
namespace {

struct CacheCommand {
  std::string folder;
  std::int64_t to = -1, limit = -1;
  bool all = false;

  std::string path() const { return absolute_path(folder.empty() ? user_cache_folder() : folder); }
};

std::int64_t bytes_of_all(const std::vector<CacheEntry>& entries) {
  return std::accumulate(entries.begin(), entries.end(), std::int64_t{0}, [](std::int64_t sum, const CacheEntry& entry) { return sum + entry.bytes; });
}

double seconds_since(std::filesystem::file_time_type time) {
  return std::chrono::duration<double>(std::filesystem::file_time_type::clock::now() - time).count();
}

std::string bytes_text(std::int64_t bytes) { return format_bytes(static_cast<double>(bytes)); }

nlohmann::ordered_json entries_json(const std::vector<CacheEntry>& entries) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& entry : entries) list.push_back({{"key", entry.key}, {"step", entry.step}, {"bytes", entry.bytes}, {"unused_seconds", seconds_since(entry.used)}});
  return list;
}

int list_entries(const Session& session, const CacheCommand& command) {
  const auto folder = command.path();
  const auto entries = list_cache(folder);
  const auto limit = cache_limit(folder);
  if (session.json) {
    nlohmann::ordered_json json{{"folder", folder}, {"limit", limit ? nlohmann::ordered_json(*limit) : nlohmann::ordered_json()}, {"bytes", bytes_of_all(entries)}};
    json["entries"] = entries_json(entries);
    std::cout << json.dump(2) << '\n';
    return 0;
  }
  std::vector<std::vector<std::string>> rows{{"key", "after step", "size", "last used"}};
  for (const auto& entry : entries) rows.push_back({entry.key, entry.step, bytes_text(entry.bytes), format_duration(seconds_since(entry.used)) + " ago"});
  std::cout << format_table(rows) << folder << ": " << entries.size() << " entries, " << bytes_text(bytes_of_all(entries)) << (limit ? " of at most " + bytes_text(*limit) : ", no limit") << '\n';
  return 0;
}

int remove_entries(const Session& session, const CacheCommand& command) {
  const auto folder = command.path();
  if (command.limit < 0 && command.to < 0 && !command.all) throw Error(ErrorCode::usage, "nothing says how much stays", {}, "--to 5GB, --limit 5GB (now and from now on), or --all");
  if (command.limit >= 0 && std::filesystem::is_directory(folder)) set_cache_limit(folder, command.limit);
  const auto removed = prune_cache(folder, command.all ? 0 : command.limit >= 0 ? command.limit : command.to);
  if (session.json) {
    std::cout << nlohmann::ordered_json{{"folder", folder}, {"removed", entries_json(removed)}}.dump(2) << '\n';
    return 0;
  }
  std::cout << folder << ": removed " << removed.size() << " entries, " << bytes_text(bytes_of_all(removed)) << "; " << bytes_text(bytes_of_all(list_cache(folder))) << " are left\n";
  return 0;
}

int verify_entries(const Session& session, const CacheCommand& command) {
  const auto folder = command.path();
  const auto entries = list_cache(folder);
  nlohmann::ordered_json damaged = nlohmann::ordered_json::array();
  for (const auto& entry : entries) {
    throw_if_interrupted();
    const auto damage = damage_of(entry.path);
    if (damage.empty() || !std::filesystem::exists(entry.path)) continue;
    damaged.push_back({{"key", entry.key}, {"step", entry.step}, {"damage", damage}});
    if (!session.json) std::cout << entry.path << ": " << damage << '\n';
    std::filesystem::remove_all(entry.path);
  }
  if (session.json) std::cout << nlohmann::ordered_json{{"folder", folder}, {"entries", entries.size()}, {"damaged", damaged}}.dump(2) << '\n';
  else std::cout << folder << ": " << entries.size() << " entries, " << damaged.size() << " damaged" << (damaged.empty() ? "" : " and removed; whoever needs them computes them again") << '\n';
  return damaged.empty() ? 0 : 1;
}

CLI::App* add_cache_part(CLI::App& parent, const char* name, const char* text, Session& session, const std::shared_ptr<CacheCommand>& command,
                   int (*body)(const Session&, const CacheCommand&)) {
  auto* sub = parent.add_subcommand(name, text);
  sub->add_option("DIR", command->folder, "Folder of the cache; default: your own, ~/.cache/dscompress/steps")->type_name("");
  sub->add_flag("--json", session.json, "Print JSON");
  sub->callback([&session, command, body] { session.run = [&session, command, body] { return body(session, *command); }; });
  return sub;
}

}  // namespace

void add_cache_command(CLI::App& app, Session& session) {
  auto command = std::make_shared<CacheCommand>();
  auto* sub = app.add_subcommand("cache", "Look after a step cache: what it holds, how large it may be, whether it is whole");
  sub->require_subcommand(1);
  add_cache_part(*sub, "list", "Show the entries, last used first", session, command, list_entries);
  auto* pruning = add_cache_part(*sub, "prune", "Remove what was used least recently", session, command, remove_entries);
  auto* to = pruning->add_option("--to", command->to, "Until so much is left: 500MB, 5GB")->transform(CLI::AsSizeValue(true))->type_name("SIZE");
  auto* limit = pruning->add_option("--limit", command->limit, "The same, and no run lets it grow beyond that from now on")->transform(CLI::AsSizeValue(true))->type_name("SIZE")->excludes(to);
  pruning->add_flag("--all", command->all, "Everything")->excludes(to)->excludes(limit);
  add_cache_part(*sub, "verify", "Read all entries and remove damaged ones; exit status 1 if there was one", session, command, verify_entries);
  sub->footer("Runs that read or write the cache meanwhile go on: what they miss they compute.\n\n"
              "Examples:\n  dscompress cache list\n  dscompress cache prune --limit 5GB\n  dscompress cache verify sweeps/cache --json");
}

}  // namespace dsc
