#include "io/foreign_file.h"

#include <filesystem>

namespace dsc {

std::string conversion_command(const std::string& path) {
  const std::filesystem::path file(path);
  return "scripts/convert_weights.py " + path + " " + std::filesystem::path(file).replace_extension(".safetensors").string();
}

std::optional<ForeignFile> recognise_foreign_file(std::string_view head, const std::string& path) {
  const std::string convert = "convert it with " + conversion_command(path);
  if (head.starts_with("PK\x03\x04")) {
    const auto extension = std::filesystem::path(path).extension();
    if (extension == ".pt2") return ForeignFile{"a torch.export archive", "give it as model.path, or save its state_dict() as safetensors"};
    if (extension == ".npz") return ForeignFile{"a NumPy archive", "save its arrays with safetensors.numpy.save_file"};
    return ForeignFile{"a zip archive, as torch.save writes a pickled state dictionary", convert};
  }
  // Protocols 2 to 5 begin so; torch.save before 1.6 wrote a few pickles in a row.
  if (head.size() > 1 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5) return ForeignFile{"a pickle, as torch.save wrote a state dictionary before PyTorch 1.6", convert};
  if (head.starts_with("GGUF")) return ForeignFile{"a GGUF file", "load it in Python and save its state_dict() as safetensors"};
  if (head.starts_with("\x89HDF")) return ForeignFile{"an HDF5 file", "load it in Python and save its tensors as safetensors"};
  return std::nullopt;
}

}  // namespace dsc
