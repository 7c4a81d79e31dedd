#include "data/class_folders.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>

#include "core/names.h"
#include "data/image_file.h"
#include "data/match_columns.h"
#include "data/split.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

std::string extension_of(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(), [](unsigned char c) { return std::tolower(c); });
  return extension.empty() ? "no extension" : extension;
}

// What lies in the folders besides pictures.
struct Skipped {
  std::int64_t hidden = 0, broken_links = 0, outside = 0, others = 0;
  std::map<std::string, std::int64_t> extensions;  // of `others`

  void add(const Skipped& more) {
    hidden += more.hidden;
    broken_links += more.broken_links;
    outside += more.outside;
    others += more.others;
    for (const auto& [extension, count] : more.extensions) extensions[extension] += count;
  }
  void add_other(const fs::path& path) {
    ++others;
    ++extensions[extension_of(path)];
  }
  // "skipped: 2 hidden files or folders, 4 files that are no pictures (.txt 3, .heic 1)"; empty when nothing was.
  std::string note() const {
    std::vector<std::string> parts, kinds;
    for (const auto& [extension, count] : extensions) kinds.push_back(extension + " " + std::to_string(count));
    if (hidden > 0) parts.push_back(std::to_string(hidden) + " hidden files or folders");
    if (others > 0) parts.push_back(std::to_string(others) + " files that are no pictures (" + joined(kinds) + ")");
    if (outside > 0) parts.push_back(std::to_string(outside) + " pictures outside of class folders");
    if (broken_links > 0) parts.push_back(std::to_string(broken_links) + " links to nothing");
    return parts.empty() ? "" : "skipped: " + joined(parts);
  }
};

// Class folders in alphabetical order; what lies beside them is skipped.
std::vector<fs::path> sub_folders(const fs::path& folder, Skipped& skipped) {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path& path = entry.path();
    if (is_hidden(path)) ++skipped.hidden;
    else if (entry.is_directory()) folders.push_back(path);
    else if (!entry.exists()) ++skipped.broken_links;
    else if (is_image_name(path.string())) ++skipped.outside;
    else skipped.add_other(path);
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

std::vector<std::string> names_of(const std::vector<fs::path>& folders) {
  std::vector<std::string> names;
  for (const fs::path& folder : folders) names.push_back(folder.filename().string());
  return names;
}

fs::path locate(const SplitConfig& split) {
  const std::string name = parse_split(split.split).name;
  const fs::path path = split.path.path;
  if (!fs::is_directory(path)) {
    throw Error(ErrorCode::data, path.string() + " is not a folder", {.file = path.string()}, "give a folder of class folders");
  }
  if (name == "all") return path;
  if (fs::is_directory(path / name)) return path / name;
  Skipped ignored;
  const std::string found = joined(names_of(sub_folders(path, ignored)));
  throw Error(ErrorCode::data, "split `" + split.split + "`: " + path.string() + " has no folder `" + name + "`", {.file = path.string()},
              "it has: " + (found.empty() ? "no folders" : found) + "; write split: all if these are the classes");
}

// Each folder once, whatever the links.
void collect(const fs::path& folder, std::int64_t label, std::set<fs::path>& seen, std::vector<Picture>& pictures, Skipped& skipped) {
  if (!seen.insert(fs::canonical(folder)).second) return;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path& path = entry.path();
    if (is_hidden(path)) ++skipped.hidden;
    else if (entry.is_directory()) collect(path, label, seen, pictures, skipped);
    else if (!entry.exists()) ++skipped.broken_links;
    else if (entry.is_regular_file() && is_image_name(path.string())) pictures.push_back({path.string(), label});
    else skipped.add_other(path);
  }
}

std::vector<Picture> pictures_of(const fs::path& folder, std::int64_t label, Skipped& skipped) {
  std::vector<Picture> pictures;
  std::set<fs::path> seen;
  Skipped here;
  collect(folder, label, seen, pictures, here);
  if (pictures.empty()) {
    const std::string note = here.note();
    throw Error(ErrorCode::data, "class folder " + folder.string() + " holds no images" + (note.empty() ? "" : "; " + note), {.file = folder.string()},
                std::string(kImageFormats) + " are read; remove the folder if it is not a class");
  }
  std::sort(pictures.begin(), pictures.end(), [](const Picture& a, const Picture& b) { return a.path < b.path; });
  skipped.add(here);
  return pictures;
}

// Folders 0 to 10 are in the order 0, 1, 10, 2, as in torchvision.
std::string order_note(const std::vector<std::string>& classes) {
  const auto is_number = [](const std::string& name) { return !name.empty() && std::ranges::all_of(name, [](unsigned char c) { return std::isdigit(c); }); };
  if (!std::ranges::all_of(classes, is_number)) return {};
  const auto before = [](const std::string& a, const std::string& b) { return std::pair(a.size(), a) < std::pair(b.size(), b); };
  if (std::ranges::is_sorted(classes, before)) return {};
  return "class folders are numbered in alphabetical order, as in torchvision: " + joined(classes) + "; list them in `classes` for another order";
}

std::int64_t label_of(const fs::path& folder, const std::vector<std::string>& classes) {
  const std::string name = folder.filename().string();
  const auto found = std::ranges::find(classes, name);
  if (found != classes.end()) return found - classes.begin();
  throw Error(ErrorCode::data, "the folder " + folder.string() + " is none of the classes: " + joined(classes), {.file = folder.string()},
              suggest(name, classes) + "; classes are the folders of data.train, or those that `classes` lists");
}

}  // namespace

ClassFolders read_class_folders(const SplitConfig& split) {
  const fs::path folder = locate(split);
  Skipped skipped;
  const std::vector<fs::path> folders = sub_folders(folder, skipped);
  if (folders.empty()) {
    throw Error(ErrorCode::data, folder.string() + " has no class folders", {.file = folder.string()},
                "put the images of each class into a sub-folder of its name");
  }
  ClassFolders found;
  found.classes = split.text.classes.empty() ? names_of(folders) : split.text.classes;
  std::set<std::int64_t> labels;
  for (const fs::path& path : folders) {
    const std::int64_t label = label_of(path, found.classes);
    const auto pictures = pictures_of(path, label, skipped);
    found.pictures.insert(found.pictures.end(), pictures.begin(), pictures.end());
    labels.insert(label);
  }
  std::vector<std::string> absent;
  for (std::size_t i = 0; i < found.classes.size(); ++i) {
    if (!labels.contains(static_cast<std::int64_t>(i))) absent.push_back(found.classes[i]);
  }
  if (!absent.empty()) found.notes.push_back("no pictures of " + std::to_string(absent.size()) + " of " + std::to_string(found.classes.size()) + " classes: " + joined(absent));
  if (split.text.classes.empty()) found.notes.push_back(order_note(found.classes));
  found.notes.push_back(skipped.note());
  std::erase(found.notes, std::string());
  return found;
}

std::vector<std::string> class_names_of(const SplitConfig& split) {
  if (split.format != DataFormat::image_folder) return {};
  if (!split.text.classes.empty()) return split.text.classes;
  Skipped ignored;
  return names_of(sub_folders(locate(split), ignored));
}

}  // namespace dsc
