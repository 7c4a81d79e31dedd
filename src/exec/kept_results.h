// Results of weights' quantisers, kept between the runs of an executor that does not train.
//
// A quantised embedding table is millions of elements, of which a sentence reads a hundred: quantised anew in every run it
// takes longer than the rest of the network.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <unordered_map>
#include <vector>

#include "exec/plan.h"

namespace dsc {

class KeptResults {
 public:
  // Puts the step's result of an earlier run into the frame. returns: false when there is none, or when a tensor that it was
  // made from, or the result itself, is another one or was changed in place since.
  bool put(const Step& step, std::vector<c10::IValue>& frame) const;
  // Keeps what the step has just made.
  void keep(const Step& step, const std::vector<c10::IValue>& frame);

 private:
  struct Version {
    at::Tensor tensor;
    std::uint32_t number = 0;
  };
  struct Result {
    std::vector<Version> sources;
    Version made;
  };
  static bool is_current(const Version& version);

  std::unordered_map<const Node*, Result> results_;
};

}  // namespace dsc
