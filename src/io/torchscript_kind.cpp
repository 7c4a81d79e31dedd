#include "io/torchscript_kind.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <string_view>
#include <vector>

#include "dscompress/error.h"
#include "io/foreign_file.h"
#include "io/pickle.h"
#include "io/torchscript_debug.h"
#include "io/zip_archive.h"

namespace dsc::torchscript {
namespace {

constexpr const char* kHowToScript = "save it with torch.jit.script(model).save(\"model.pt\") or torch.jit.trace(model, example).save(\"model.pt\"), "
                                     "or export a .pt2 with scripts/export_model.py";

[[noreturn]] void refuse(const std::string& path, const std::string& what, const std::string& hint) {
  throw Error(ErrorCode::model_file, what, {.file = path}, hint);
}

// Names of the classes that a pickle refers to by its GLOBAL opcode, `c<module>\n<name>\n`, as torch.save writes them; the
// outermost object's comes first.
std::vector<std::string> pickled_classes(const std::string& pickle) {
  const auto is_name = [](const std::string& text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.'; });
  };
  std::vector<std::string> names;
  for (std::size_t at = pickle.find('c'); at != std::string::npos; at = pickle.find('c', at + 1)) {
    const auto middle = pickle.find('\n', at);
    const auto end = middle == std::string::npos ? middle : pickle.find('\n', middle + 1);
    if (end == std::string::npos) break;
    const auto module = pickle.substr(at + 1, middle - at - 1), name = pickle.substr(middle + 1, end - middle - 1);
    if (!is_name(module) || !is_name(name)) continue;
    names.push_back(module + "." + name);
    at = end;
  }
  return names;
}

// A class that is more than a container of tensors; empty: there is none.
std::string module_class(const std::vector<std::string>& classes) {
  for (const auto& name : classes) {
    const bool is_plain = name.starts_with("torch._utils.") || name.starts_with("collections.") || name.starts_with("torch.serialization.") ||
                          name.starts_with("_codecs.") || name.starts_with("builtins.") || name.starts_with("__builtin__.") || name.starts_with("numpy.") ||
                          (name.starts_with("torch.") && (name.ends_with("Storage") || name == "torch.Size" || name == "torch.device"));
    if (!is_plain) return name;
  }
  return {};
}

[[noreturn]] void refuse_pickle(const std::string& path, const std::string& pickle) {
  const auto name = module_class(pickled_classes(pickle));
  if (name.empty()) refuse(path, "the file is a pickled state dictionary (torch.save), weights without a program",
                           "weights need a program: export the model as .pt2 with scripts/export_model.py --weights FILE, or name the .pt2 as model.path and these as "
                           "model.weights, converted with " + conversion_command(path));
  refuse(path, "the file is a pickled object of class `" + name + "` (torch.save), which only Python with that class can read", kHowToScript);
}

// torch.save before 1.6 wrote pickles one after another; the first holds this number.
bool is_old_pickle(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string head(16, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  return head.starts_with(std::string_view("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14));
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Tensors of a pickle whose storages are the records of a folder. What cannot be followed is LibTorch's to judge.
void check_tensors(const ZipArchive& archive, const std::string& pickle, const std::string& folder) {
  if (!archive.find(pickle)) return;
  try {
    pickle::check_tensors(archive.read_text(pickle), [&](const std::string& key) {
      const auto* record = archive.find(folder + key);
      if (!record) throw pickle::Unreadable("a storage that is not there");
      return at::empty({static_cast<std::int64_t>(record->size)}, at::kByte);
    });
  } catch (const pickle::BeyondStorage& error) {
    refuse(archive.path(), "entry `" + pickle + "` is damaged: " + error.what(), kHowToScript);
  } catch (const pickle::Unreadable&) {
    return;
  }
}

// LibTorch's own reader skips the checksums, and trusts lengths and sizes in pickles.
void check_entries(const ZipArchive& archive) {
  for (const auto& entry : archive.entries()) {
    const std::string content = archive.read_content(entry);
    if ((entry.name.ends_with(".pkl") || entry.name.ends_with(".debug_pkl")) && !pickle::lengths_are_right(content)) {
      refuse(archive.path(), "entry `" + entry.name + "` is damaged: what it holds does not end within it", kHowToScript);
    }
    if (entry.name.ends_with(".debug_pkl") && !source_numbers_are_right(content)) {
      refuse(archive.path(), "entry `" + entry.name + "` is damaged: it refers to lines that it does not have", kHowToScript);
    }
  }
  check_tensors(archive, "constants.pkl", "constants/");
  check_tensors(archive, "data.pkl", "data/");
}

}  // namespace

void check_is_torchscript(const std::string& path) {
  if (is_old_pickle(path)) refuse_pickle(path, bytes_of(path));
  const ZipArchive archive(path);
  if (archive.find("archive_format") && archive.find("models/model.json"))
    refuse(path, "the file is a torch.export archive, not TorchScript", "give it the extension .pt2");
  if (archive.find("constants.pkl")) return check_entries(archive);
  if (archive.find("data.pkl")) refuse_pickle(path, archive.read_text("data.pkl"));
  refuse(path, "the archive is not TorchScript (it has no `constants.pkl`)", kHowToScript);
}

}  // namespace dsc::torchscript
