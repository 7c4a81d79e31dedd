// How well boxes that a model finds match those that pictures have: average precision as COCO defines it.
#pragma once

#include <cstdint>
#include <vector>

#include "data/detections.h"

namespace dsc {

struct FoundBox {
  Box box;
  double score = 0;
  std::int64_t category = 0;
};

// Without those that overlap a better one of their own category by more than `overlap` (intersection over union); best first.
// overlap 1: all stay.
std::vector<FoundBox> suppress_overlapping(std::vector<FoundBox> boxes, double overlap);

// Of one picture.
struct PictureBoxes {
  std::vector<TrueBox> truth;
  std::vector<FoundBox> found;
};

// Mean average precision over the overlaps 0.5, 0.55, ... 0.95, at 0.5 and at 0.75, and of boxes by their area (up to 32 x 32, up to
// 96 x 96 pixels, larger), from at most 100 boxes a picture; and the mean recall of at most 1, 10 and 100. -1: no box of that kind.
struct CocoScores {
  double map = -1, map_50 = -1, map_75 = -1, map_small = -1, map_medium = -1, map_large = -1;
  double mar_1 = -1, mar_10 = -1, mar_100 = -1;
};
// pictures: in the order of their ids, which decides between equal scores; categories: numbered from 0.
// source: pycocotools' COCOeval for boxes: matches by score, crowds match any number of boxes and count for nothing, precision at 101
// recalls.
CocoScores coco_scores(const std::vector<PictureBoxes>& pictures, std::int64_t categories);

}  // namespace dsc
