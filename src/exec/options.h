// How a graph is run.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "dscompress/graph.h"

namespace dsc {

struct ExecutorOptions {
  bool training = false;             // batch norm uses and updates batch statistics, dropout drops; autograd records
  bool freeze_batch_norm = false;    // with training: batch norm stays as in evaluation
  bool batch_renorm = false;         // with training: batch norm gives what it does in evaluation, with gradients as through the batch's statistics
  std::set<std::string> frozen = {}; // weights: a batch norm that scales by one of them stays as in evaluation
  bool channels_last = false;        // weights and inputs of rank 4 in NHWC memory
  std::optional<ScalarType> autocast = {};  // bf16 or f16: autocast over the whole graph
  std::string device = "cpu";
  bool record_gradients = false;     // without training: autograd records all the same (attacks, sensitivity)
};

}  // namespace dsc
