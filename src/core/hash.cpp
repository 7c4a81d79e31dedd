#include "core/hash.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dscompress/error.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

std::string to_hex(XXH128_hash_t hash) {
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%016llx%016llx", static_cast<unsigned long long>(hash.high64), static_cast<unsigned long long>(hash.low64));
  return text.data();
}

using Stream = std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)>;

void add_file(XXH3_state_t* state, const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::io, "cannot open the file", {.file = path.string()});
  std::vector<char> buffer(1 << 20);
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || file.gcount() > 0) {
    XXH3_128bits_update(state, buffer.data(), static_cast<std::size_t>(file.gcount()));
  }
}

}  // namespace

std::uint64_t hash_bits(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::string fingerprint(std::string_view bytes) { return to_hex(XXH3_128bits(bytes.data(), bytes.size())); }

std::string fingerprint_path(const std::string& path) {
  const Stream state(XXH3_createState(), XXH3_freeState);
  XXH3_128bits_reset(state.get());
  if (fs::is_directory(path)) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      const auto name = fs::relative(file, path).string() + ":" + std::to_string(fs::file_size(file)) + "\n";
      XXH3_128bits_update(state.get(), name.data(), name.size());
      add_file(state.get(), file);
    }
  } else {
    add_file(state.get(), path);
  }
  return to_hex(XXH3_128bits_digest(state.get()));
}

}  // namespace dsc
