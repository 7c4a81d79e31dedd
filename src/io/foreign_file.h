// Files of other programs that are given for weights.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dsc {

struct ForeignFile {
  std::string what;  // "a torch.save file (pickle in a zip archive)"
  std::string hint;  // how to convert it
};

// From the first bytes; none: nothing that is known.
std::optional<ForeignFile> recognise_foreign_file(std::string_view head, const std::string& path);

// The command that makes a .safetensors file of a pickled state dictionary.
std::string conversion_command(const std::string& path);

}  // namespace dsc
