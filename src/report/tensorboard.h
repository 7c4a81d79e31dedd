// A run as TensorBoard shows it: a file of events for each step of the recipe, all of them one of TensorBoard's runs.
//
//   train/train_loss  recover/lr      the curves of a step, by epoch
//   steps/top1  steps/macs            the model after each step, by the step's place in the recipe
//   weights/NAME  ranges/NAME         histograms of the same
//
// Everything is made from the report: a resumed run writes what the uninterrupted one would have, and no point twice.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "report/event_file.h"
#include "report/report.h"

namespace dsc {

inline constexpr const char* kEventsFolder = "tensorboard";
// Relative to the run folder. TensorBoard reads files in the order of their names.
std::string events_file(const StepRecord& step);

// The curves so far, point after point as they were made: what is written of a step in progress is how the file of the finished one
// begins. report: the steps before it, whose seconds tell when it began.
std::string curve_events(const Report& report, const StepRecord& step);

struct NamedHistogram {
  std::string tag;
  TrackedHistogram histogram;
};
// With what the model is after the step.
std::string step_events(const Report& report, const StepRecord& step, std::span<const NamedHistogram> histograms);

// All curves as rows of step, name, curve, epoch, value, seconds. in_progress: a step that `report` does not hold yet, or null.
std::string curves_csv(const Report& report, const StepRecord* in_progress = nullptr);

}  // namespace dsc
