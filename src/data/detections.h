// What found boxes are compared with: the boxes of each picture; and how a model gives what it finds.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/fields.h"

namespace dsc {

// Two corners; the upper left one, width and height; or the centre, width and height.
enum class BoxForm : std::uint8_t { xyxy, xywh, cxcywh };
std::span<const std::string_view> enum_names(BoxForm);

// What scores are made from: they are scores; each class' logit alone; logits of all classes and, last, of no object.
enum class ScoreForm : std::uint8_t { plain, sigmoid, softmax };
std::span<const std::string_view> enum_names(ScoreForm);

// What numbers of classes are: places among the categories, or the ids that the data's file gives them.
enum class ClassForm : std::uint8_t { index, category_id };
std::span<const std::string_view> enum_names(ClassForm);

struct DetectionConfig {
  BoxForm boxes = BoxForm::xyxy;
  bool relative = false;  // boxes in shares of the picture, not in pixels of the model's input
  ScoreForm scores = ScoreForm::plain;
  ClassForm classes = ClassForm::index;
  void fields(FieldVisitor& visit);
};

// In pixels of the picture as it is in its file; x and y of the upper left corner.
struct Box {
  double x = 0, y = 0, width = 0, height = 0;
};

struct TrueBox {
  Box box;
  std::int64_t category = 0;  // its place among the categories
  double area = 0;            // of the object, which may be less than its box's
  bool is_crowd = false;      // a group that is not told apart: what is found in it is neither right nor wrong
};

struct DetectionKey {
  struct Picture {
    double width = 0, height = 0;
    std::vector<TrueBox> boxes;
  };
  std::vector<Picture> pictures;           // one an example
  std::vector<std::int64_t> category_ids;  // as the file numbers them, ascending
  DetectionConfig form;
};

}  // namespace dsc
