// The gradients of all ranks, brought together while backward is still computing.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "parallel/ranks.h"

namespace dsc {

// The sums of one step's gradients. Backward reaches the last layers first: where sums travel beside other work (ranks on several
// machines), parameters are put into groups from the last on, and a group's sum begins when backward has added up its last
// gradient (Li et al. 2020, PyTorch Distributed, section 3.2.3). Groups begin in one order on all ranks.
class GradientSums {
 public:
  // own: parameters of the networks, whose gradients are parts of the whole one; common: those of the objective, whole on each rank.
  GradientSums(Ranks& ranks, std::vector<at::Tensor> own, std::vector<at::Tensor> common);
  ~GradientSums();
  GradientSums(const GradientSums&) = delete;
  GradientSums& operator=(const GradientSums&) = delete;

  // Before the last backward of a step: what it computes may travel at once.
  void follow_backward();
  // After it. A parameter has a gradient afterwards when it has one on any rank.
  void finish();

 private:
  class Hook;
  struct Group {
    std::vector<std::size_t> members;  // of own
    std::size_t missing = 0;           // gradients that backward has not computed yet
    std::vector<at::Tensor> gradients;
    std::unique_ptr<SumUnderway> sum;
  };
  void make_groups();
  void arrived(std::size_t parameter);
  void begin(Group& group);
  at::Tensor presence() const;

  Ranks& ranks_;
  std::vector<at::Tensor> own_, common_;
  std::vector<Group> groups_;          // none where sums do not travel: all are one sum then
  std::vector<std::size_t> group_of_;  // by parameter
  std::size_t next_ = 0;               // the first group that has not begun
  bool follows_ = false;
};

}  // namespace dsc
