// A teacher as it runs beside the student: in its deployed form, and only as far as something is read of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "dscompress/model.h"
#include "exec/executor.h"
#include "train/distill/layer_terms.h"

namespace dsc {

class Teacher {
 public:
  // model: a copy of its own. taps: values to show. outputs: which of its outputs are read. input_of: for each of its
  // inputs the number of that of the data (match_inputs).
  // Batch norms are folded, dropout is removed, and what nothing read depends on is left out.
  Teacher(Model model, const std::vector<std::string>& taps, const std::vector<std::int64_t>& outputs, std::vector<std::size_t> input_of,
          ExecutorOptions options);

  // Without gradients.
  Readings read(const Batch& batch) const;
  Readings read(const std::vector<at::Tensor>& of_student, const std::vector<at::Tensor>& others) const;  // Batch::inputs and others
  const Model& model() const { return *model_; }

 private:
  std::unique_ptr<Model> model_;
  std::size_t outputs_read_ = 0;
  std::vector<std::size_t> input_of_;
  std::unique_ptr<Executor> executor_;
};

// The input of the data that feeds each of the teacher's, by name (`renamed`: teacher's -> the data's), whatever the names where
// both have one: the student's inputs, then `others` (DatasetInfo::other_names). Also compares vocabularies: tables that are
// looked up by the same input must have as many rows.
std::vector<std::size_t> match_inputs(const Graph& student, const std::vector<std::string>& others, const Graph& teacher,
                                      const std::map<std::string, std::string>& renamed, const std::string& pointer, std::vector<Problem>& problems);

}  // namespace dsc
