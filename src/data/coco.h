// Pictures with boxes, as COCO's JSON lists them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/detections.h"
#include "data/open.h"

namespace dsc {

struct CocoFile {
  struct Picture {
    std::string file;  // as the file names it
    DetectionKey::Picture boxes;
  };
  std::vector<Picture> pictures;           // in the order of their ids
  std::vector<std::int64_t> category_ids;  // ascending
  std::vector<std::string> category_names;
  std::int64_t flat = 0;  // boxes without any area, which are left out
};

// source: "COCO: data format" on cocodataset.org. errors: data: JSON that is none, what is missing in it, boxes that reach over the border
// of their picture by more than a pixel, or name pictures or categories that are not there.
CocoFile read_coco(const std::string& path);

// Annotations of split NAME are PATH/annotations/instances_NAME.json, PATH/NAME/_annotations.coco.json or PATH/NAME.json, pictures below
// PATH/NAME, PATH/images/NAME, PATH/images or PATH. A file as `path` has split all.
std::unique_ptr<Dataset> open_coco(const SplitConfig& split, const std::optional<NormalizeConfig>& normalize);

}  // namespace dsc
