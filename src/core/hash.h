// Fingerprints of files and texts, to tell whether a run's ingredients changed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dsc {

// 128 bits as 32 hexadecimal digits (XXH3; not for security).
std::string fingerprint(std::string_view bytes);
// 64 bits of the same kind, for many small pieces.
std::uint64_t hash_bits(std::string_view bytes);
// Of a file's content; of a folder: of the names, sizes and contents of all files below it.
// errors: io.
std::string fingerprint_path(const std::string& path);

}  // namespace dsc
