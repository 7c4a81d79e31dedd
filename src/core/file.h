// Files written whole or not at all.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace dsc {

// Whole file as text. errors: io, "no such file" with the path.
std::string read_file(const std::string& path);
// Calls `write` with a temporary path in the same folder, syncs, renames over `path`; removes it on failure.
// errors: io (read-only, missing folder), resource (disk full).
void write_atomically(const std::string& path, const std::function<void(const std::string& temporary)>& write);
void write_file_atomically(const std::string& path, std::string_view content);
void make_folders(const std::string& path);  // errors: io
std::string absolute_path(const std::string& path, const std::string& folder = {});

}  // namespace dsc
