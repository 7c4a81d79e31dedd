// A teacher's outputs for all training examples, kept on disk by content.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "dscompress/pass.h"
#include "train/distill/teacher.h"

namespace dsc {

class TeacherCache {
 public:
  // Reads the file in context.cache_folder() that was made by this teacher (graph, weights and what is read of it), for these
  // examples, with these settings; or runs the teacher once over the data and writes it.
  // errors: data, when outputs differ in size from batch to batch; io.
  static TeacherCache open(const Teacher& teacher, const Dataset& data, std::int64_t batch, const std::string& settings, PassContext& context);

  // Of the batch's examples, on the device of its inputs.
  std::vector<at::Tensor> read(const Batch& batch) const;

 private:
  std::vector<at::Tensor> outputs_;  // [examples, ...]
};

// errors: data, when examples differ from epoch to epoch, so that one output for each is not enough. Looks at the first 64
// under four seeds.
void check_cacheable(const Dataset& data);

}  // namespace dsc
