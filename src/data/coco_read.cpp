#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "core/printed.h"
#include "data/coco.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

using Json = nlohmann::json;

constexpr double kPixel = 1;  // annotators' tools round

class CocoReader {
 public:
  explicit CocoReader(const std::string& path) : path_(path) {}

  CocoFile read() {
    const Json json = Json::parse(read_file(path_), nullptr, false);
    if (json.is_discarded()) throw Error(ErrorCode::data, name() + " is no JSON", {.file = path_}, "fetch or write the file again");
    add_categories(list_of(json, "categories"));
    add_pictures(list_of(json, "images"));
    const Json& annotations = list_of(json, "annotations");
    for (std::size_t i = 0; i < annotations.size(); ++i) add_box(annotations[i], "/annotations/" + std::to_string(i));
    if (!problems_.empty()) throw Error(ErrorCode::data, std::move(problems_));
    if (file_.pictures.empty()) throw Error(ErrorCode::data, name() + " lists no images", {.file = path_}, "give a file with at least one image");
    return std::move(file_);
  }

 private:
  std::string name() const { return std::filesystem::path(path_).filename().string(); }

  const Json& list_of(const Json& json, const char* key) const {
    if (json.is_object() && json.contains(key) && json[key].is_array()) return json[key];
    throw Error(ErrorCode::data, name() + " has no list `" + key + "`", {.file = path_}, "COCO's format has images, annotations and categories");
  }

  template <class T>
  T get(const Json& entry, const char* key, const std::string& pointer) const {
    const bool fits = entry.is_object() && entry.contains(key) && (std::is_same_v<T, std::string> ? entry[key].is_string() : entry[key].is_number());
    if (fits) return entry[key].get<T>();
    throw Error(ErrorCode::data, name() + ": `" + key + "` is missing, or is no " + (std::is_same_v<T, std::string> ? "text" : "number"),
                {.file = path_, .pointer = pointer}, "COCO's format needs it");
  }

  // Many boxes are wrong for one reason: a few are shown.
  void problem(const std::string& what, const std::string& pointer, const std::string& hint) {
    constexpr std::size_t kShown = 5;
    if (problems_.size() < kShown) problems_.push_back({name() + ": " + what, {.file = path_, .pointer = pointer}, hint});
  }

  void add_categories(const Json& list) {
    std::map<std::int64_t, std::string> categories;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string pointer = "/categories/" + std::to_string(i);
      categories[get<std::int64_t>(list[i], "id", pointer)] = get<std::string>(list[i], "name", pointer);
    }
    for (const auto& [id, category] : categories) {
      file_.category_ids.push_back(id);
      file_.category_names.push_back(category);
    }
  }

  void add_pictures(const Json& list) {
    std::map<std::int64_t, CocoFile::Picture> pictures;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string pointer = "/images/" + std::to_string(i);
      CocoFile::Picture picture{get<std::string>(list[i], "file_name", pointer),
                                {get<double>(list[i], "width", pointer), get<double>(list[i], "height", pointer), {}}};
      if (!pictures.emplace(get<std::int64_t>(list[i], "id", pointer), std::move(picture)).second)
        problem("two images have the same id", pointer, "give each its own");
    }
    for (auto& [id, picture] : pictures) {
      place_of_[id] = file_.pictures.size();
      file_.pictures.push_back(std::move(picture));
    }
  }

  void add_box(const Json& entry, const std::string& pointer) {
    const auto picture = place_of_.find(get<std::int64_t>(entry, "image_id", pointer));
    const auto category = std::ranges::lower_bound(file_.category_ids, get<std::int64_t>(entry, "category_id", pointer));
    if (picture == place_of_.end())
      return problem("an annotation is of an image that `images` does not list", pointer + "/image_id", "remove it, or list the image");
    if (category == file_.category_ids.end() || *category != entry["category_id"].get<std::int64_t>()) {
      return problem("an annotation is of a category that `categories` does not list", pointer + "/category_id", "remove it, or list the category");
    }
    const bool has_box = entry.contains("bbox") && entry["bbox"].is_array() && entry["bbox"].size() == 4;
    if (!has_box || !std::all_of(entry["bbox"].begin(), entry["bbox"].end(), [](const Json& value) { return value.is_number(); })) {
      return problem("an annotation has no `bbox` of four numbers", pointer, "a box is [x, y, width, height] in pixels");
    }
    auto& of = file_.pictures[picture->second];
    const Box box{entry["bbox"][0].get<double>(), entry["bbox"][1].get<double>(), entry["bbox"][2].get<double>(), entry["bbox"][3].get<double>()};
    const bool is_inside =
        box.x >= -kPixel && box.y >= -kPixel && box.x + box.width <= of.boxes.width + kPixel && box.y + box.height <= of.boxes.height + kPixel;
    if (!is_inside || box.width < 0 || box.height < 0) {
      return problem(printed("the box [%g, %g, %g, %g] is not inside its image %s of %g x %g pixels", box.x, box.y, box.width, box.height,
                             of.file.c_str(), of.boxes.width, of.boxes.height),
                     pointer + "/bbox", "a box is [x, y, width, height] in pixels of the image; mend or remove it");
    }
    const double area = entry.contains("area") && entry["area"].is_number() ? entry["area"].get<double>() : box.width * box.height;
    const bool is_crowd = entry.contains("iscrowd") && entry["iscrowd"].is_number() && entry["iscrowd"].get<int>() != 0;
    if (box.width * box.height == 0)
      ++file_.flat;
    else
      of.boxes.boxes.push_back({box, category - file_.category_ids.begin(), area, is_crowd});
  }

  std::string path_;
  CocoFile file_;
  std::map<std::int64_t, std::size_t> place_of_;  // of pictures, by id
  std::vector<Problem> problems_;
};

}  // namespace

CocoFile read_coco(const std::string& path) { return CocoReader(path).read(); }

}  // namespace dsc
