#include "train/distill/teacher.h"

#include <c10/core/GradMode.h>

#include <algorithm>

#include "core/names.h"
#include "data/model_inputs.h"
#include "ops/dropout.h"
#include "ops/fold_batchnorm.h"

namespace dsc {
namespace {

void check_vocabulary(const GraphInput& ours, const GraphInput& theirs, const std::string& pointer, std::vector<Problem>& problems) {
  const auto a = embedding_rows(*ours.value), b = embedding_rows(*theirs.value);
  if (!a || !b || a == b) return;
  problems.push_back({"the vocabularies differ: the student's table for `" + ours.target + "` has " + std::to_string(*a) + " rows, the teacher's " +
                          std::to_string(*b),
                      {.pointer = pointer},
                      "use a teacher and a student with one tokeniser"});
}

// Replaces the graph's outputs by those that are read, then the taps.
void keep_outputs(Graph& graph, const std::vector<std::int64_t>& read, const std::vector<std::string>& taps) {
  std::vector<Argument> shown;
  std::vector<Argument> kept;
  for (std::size_t i = 0; i < graph.outputs().size(); ++i) {
    const auto& output = graph.outputs()[i];
    if (output.kind == OutputKind::user && std::holds_alternative<Value*>(output.value)) shown.push_back(output.value);
    graph.set_output(i, NoneArgument{});
  }
  for (const std::int64_t i : read) kept.push_back(shown.at(static_cast<std::size_t>(i)));
  for (const auto& tap : taps) kept.emplace_back(graph.find_value(tap));
  for (auto& value : kept) graph.add_output(OutputKind::user, std::move(value));
}

}  // namespace

Teacher::Teacher(Model model, const std::vector<std::string>& taps, const std::vector<std::int64_t>& outputs, std::vector<std::size_t> input_of,
                 ExecutorOptions options)
    : model_(std::make_unique<Model>(std::move(model))), outputs_read_(outputs.size()), input_of_(std::move(input_of)) {
  keep_outputs(model_->graph, outputs, taps);
  fold_batch_norms(*model_);
  remove_dropout(model_->graph);
  for (const auto& name : model_->graph.erase_dead_code(true)) model_->weights.erase(name);
  executor_ = std::make_unique<Executor>(*model_, std::move(options));
}

Readings Teacher::read(const Batch& batch) const { return read(batch.inputs, batch.others); }

Readings Teacher::read(const std::vector<at::Tensor>& of_student, const std::vector<at::Tensor>& others) const {
  const c10::NoGradGuard no_grad;
  std::vector<at::Tensor> inputs;
  for (const std::size_t i : input_of_) inputs.push_back(i < of_student.size() ? of_student[i] : others.at(i - of_student.size()));
  auto shown = executor_->run(inputs);
  Readings readings;
  readings.outputs.assign(shown.begin(), shown.begin() + static_cast<std::ptrdiff_t>(outputs_read_));
  readings.taps.assign(shown.begin() + static_cast<std::ptrdiff_t>(outputs_read_), shown.end());
  return readings;
}

std::vector<std::size_t> match_inputs(const Graph& student, const std::vector<std::string>& others, const Graph& teacher,
                                      const std::map<std::string, std::string>& renamed, const std::string& pointer, std::vector<Problem>& problems) {
  const auto ours = model_inputs(student), theirs = model_inputs(teacher);
  const auto known = names_of(theirs);
  auto names = names_of(ours);
  names.insert(names.end(), others.begin(), others.end());
  for (const auto& [name, from] : renamed) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    problems.push_back({"the teacher has no input `" + name + "`", {.pointer = pointer + "/inputs"}, suggest(name, known)});
  }
  const bool any_named = !renamed.empty() || std::ranges::any_of(known, [&](const auto& name) { return std::ranges::find(names, name) != names.end(); });
  std::vector<std::size_t> from;
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    const auto rename = renamed.find(known[i]);
    const std::string& wanted = rename == renamed.end() ? known[i] : rename->second;
    auto found = std::ranges::find(names, wanted);
    if (found == names.end() && !any_named && ours.size() == 1 && theirs.size() == 1) found = names.begin();
    if (found == names.end()) {
      problems.push_back({"the teacher's input `" + known[i] + "` has no counterpart: no input of the data is called `" + wanted + "`",
                          {.pointer = pointer + "/inputs"}, suggest(wanted, names) + "; name it under `inputs`"});
      continue;
    }
    from.push_back(static_cast<std::size_t>(found - names.begin()));
    if (from.back() < ours.size()) check_vocabulary(*ours[from.back()], *theirs[i], pointer, problems);
  }
  return from;
}

}  // namespace dsc
