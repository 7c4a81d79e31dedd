// Training towards teachers: losses between the networks beside the supervised one.
#pragma once

#include <string>
#include <vector>

#include "train/distill/options.h"

namespace dsc {

// As train(), towards the teachers (context.base() unless options name others), which run in evaluation mode on the
// student's own (augmented) batches, as Beyer et al. 2022 (arXiv:2106.05237) recommend. The student trains in a copy whose
// attention is spelled out where a loss reads it; its own graph stays. Adds the curves loss_NAME, and weight_NAME where weights move.
// errors: those of train(); recipe and data, before anything is trained, for layers that are not there, shapes that do not
// fit, vocabularies that differ, labels that are needed and missing. Their pointers start with `at`, where the targets lie in
// the step's options.
TrainResult distill(Model& student, const DistillOptions& options, TrainHooks hooks, PassContext& context, const std::string& at = {});

// What the student alone shows to be wrong; pointers as those of distill().
std::vector<Problem> check_distillation(const Model& student, const DistillTargets& targets, const std::string& at = {});

}  // namespace dsc
