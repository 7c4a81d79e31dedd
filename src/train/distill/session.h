// One training towards teachers: networks prepared, losses bound to their values.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "train/distill/distillation.h"
#include "train/distill/layer_terms.h"
#include "train/distill/teacher.h"
#include "train/distill/teacher_cache.h"
#include "train/loss.h"
#include "train/parallel.h"

namespace dsc {

class DistillSession {
 public:
  // errors: those of distill(), with pointers below `at`. The context's teachers are opened, and both sides run on two examples.
  DistillSession(const Model& student, const DistillOptions& options, PassContext& context, const std::string& at = {});

  // What trains; its weights are the result.
  Model& student() { return student_; }
  // Of a loss that reads layers: one for each teacher.
  const std::vector<LayerTerm>& layer_terms(std::size_t loss) const { return layer_losses_.at(loss); }
  Objective objective();
  // Adds taps, learned tensors, schedules and curves; the session must outlive the training.
  void add_hooks(TrainHooks& hooks);

 private:
  struct TeacherPlan {
    const TeacherConfig* config = nullptr;
    std::string pointer;
    std::unique_ptr<Model> model;  // until the network is made
    TapList taps;
    std::unique_ptr<Teacher> network;
    std::optional<TeacherCache> kept;
  };

  void open_teachers(PassContext& context);
  void find_layers();
  void make_teachers(PassContext& context);
  void fit_on_examples(PassContext& context);
  void keep_outputs(PassContext& context);
  void check_outputs(const Readings& student, const std::vector<Readings>& teachers, const Batch& batch, bool is_mixed);
  // Each of the ranks reads its rows, and gets all.
  std::vector<Readings> read_teachers(const Batch& batch, Ranks& ranks) const;
  at::Tensor mask_of(const Batch& batch) const;
  std::vector<double> teacher_weights() const;
  void make_sum(const std::string& device);
  Objective term_of(const LossConfig& loss, std::size_t index);
  using ScoreLoss = std::function<at::Tensor(const ScorePair& pair)>;
  at::Tensor score_loss(const ScoreLoss& loss, bool needs_labels, const Batch& batch) const;
  at::Tensor layer_loss(std::size_t index, const Batch& batch) const;
  void throw_problems();

  const DistillOptions& options_;
  const DistillTargets& targets_;
  std::string at_;
  std::uint64_t seed_;
  Ranks& ranks_;
  Model student_;
  TapList student_taps_;
  std::vector<TeacherPlan> teachers_;
  std::vector<std::vector<LayerTerm>> layer_losses_;  // by loss and teacher; empty for those that read no layers
  std::vector<Problem> problems_;
  std::optional<std::size_t> mask_input_;
  std::vector<std::string> names_;       // of the losses: "kd", "hidden", "hidden_2"
  std::optional<LossSum> sum_;
  // Of the batch at hand.
  Readings student_readings_;
  std::vector<Readings> teacher_readings_;
  double share_ = 0;  // of the training that is done
};

}  // namespace dsc
