// What the folders of an image_folder split hold: SPLIT/CLASS/..., one folder for each class.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/open.h"

namespace dsc {

struct Picture {
  std::string path;
  std::int64_t label = 0;
};

struct ClassFolders {
  std::vector<std::string> classes;
  std::vector<Picture> pictures;    // class by class, each in alphabetical order
  std::vector<std::string> notes;   // what was skipped, classes without pictures, an order that may surprise
};

// Classes are the split's `classes`, else its folders in alphabetical order. Hidden files and folders are skipped, links are
// followed. errors: data, for folders that are no class and for those without a picture.
ClassFolders read_class_folders(const SplitConfig& split);

}  // namespace dsc
