// What exits learn from: labels, and the network's own scores.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "train/distill/options.h"
#include "train/loss.h"

namespace dsc::dynamic {

struct ExitTeaching {
  Labels labels;
  Kd kd;
  Objective on_labels;
  bool trains_end = false;  // the network's own scores learn from labels, too
};

// Of outputs that are the network's own scores, then those of each exit. names: of the exits, for curves. share: of the training that is done.
LossSum exit_loss(const std::vector<std::string>& names, const ExitTeaching& teaching, const std::shared_ptr<double>& share);

}  // namespace dsc::dynamic
