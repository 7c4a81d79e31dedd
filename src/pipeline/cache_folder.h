// A step cache's folder (step_cache.h) as a whole: what it holds, how large it may grow, what is damaged.
//
//   limit    bytes that entries may have together; absent: the user's own cache has 20 GB, others no limit
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace dsc {

// $XDG_CACHE_HOME/dscompress/steps, or ~/.cache/dscompress/steps. errors: usage, without a home.
std::string user_cache_folder();

struct CacheEntry {
  std::string key, path, step;  // step: the name of the one that left this state
  std::int64_t bytes = 0;
  std::filesystem::file_time_type used;  // last put or found
};
// Last used first. Entries that others remove meanwhile are left out. errors: usage, where there is no folder.
std::vector<CacheEntry> list_cache(const std::string& folder);

std::optional<std::int64_t> cache_limit(const std::string& folder);
void set_cache_limit(const std::string& folder, std::int64_t bytes);

// Removes what was used least recently until the rest has at most `bytes`, and what killed processes left half-written.
// returns: the removed ones.
std::vector<CacheEntry> prune_cache(const std::string& folder, std::int64_t bytes);

// What is wrong with an entry's files; empty: nothing.
std::string damage_of(const std::string& entry_path);
// Now is the last time that the entry was used.
void touch_entry(const std::string& entry_path);

}  // namespace dsc
