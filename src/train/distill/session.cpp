// What a session does before its first step: networks opened, layers found, both sides tried on examples.
#include "train/distill/session.h"

#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>

#include "core/names.h"
#include "core/random.h"
#include "data/model_inputs.h"
#include "ir/describe.h"
#include "ir/shared_copy.h"
#include "parallel/batch_rows.h"

namespace dsc {
namespace {

std::string pointer_of(const LossConfig& loss, std::size_t index) { return "/losses/" + std::to_string(index) + "/" + name_of(loss); }

std::int64_t output_count(const Graph& graph) {
  return std::ranges::count_if(graph.outputs(), [](const GraphOutput& output) { return output.kind == OutputKind::user && std::holds_alternative<Value*>(output.value); });
}

void check_output_numbers(const Model& model, const std::string& whose, const std::vector<std::int64_t>& outputs, std::vector<Problem>& problems) {
  const auto count = output_count(model.graph);
  for (const std::int64_t i : outputs) {
    if (i < count) continue;
    problems.push_back({"there is no output " + std::to_string(i) + ": the " + whose + " has " + std::to_string(count) + ", counted from 0", {.pointer = "/outputs"}, ""});
  }
}

std::optional<std::size_t> find_mask(const Model& student, const std::string& mask, std::vector<Problem>& problems) {
  if (mask.empty()) return std::nullopt;
  const auto names = names_of(model_inputs(student.graph));
  const auto found = std::find(names.begin(), names.end(), mask);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  problems.push_back({"the student has no input `" + mask + "`", {.pointer = "/mask"}, suggest(mask, names)});
  return std::nullopt;
}

}  // namespace

std::vector<Problem> check_distillation(const Model& student, const DistillTargets& targets, const std::string& at) {
  std::vector<Problem> problems;
  find_mask(student, targets.mask, problems);
  check_output_numbers(student, "model", targets.outputs, problems);
  Model copy = shared_copy(student);
  Anatomy anatomy(copy);
  for (std::size_t i = 0; i < targets.losses.size(); ++i) {
    const auto& loss = targets.losses[i];
    if (!reads_layers(loss)) continue;
    TapList ours, theirs;
    // Names and numbers are those of the student; a teacher like itself finds nothing more.
    if (const auto* map = layer_map_of(loss); map && !map->layers.empty()) {
      for (const auto& [layer, other] : map->layers) {
        Problem problem;
        const auto kind = site_of(loss) == SiteKind::hidden ? SiteKind::hidden : SiteKind::value;
        if (anatomy.find(kind, layer, problem)) continue;
        problems.push_back({"in the student: " + problem.message, {.pointer = pointer_of(loss, i) + "/layers/" + layer}, problem.hint});
      }
      continue;
    }
    LayerTerm(loss, anatomy, anatomy, ours, theirs, pointer_of(loss, i), problems);
  }
  for (auto& problem : problems) problem.place.pointer = at + problem.place.pointer;
  return problems;
}

DistillSession::DistillSession(const Model& student, const DistillOptions& options, PassContext& context, const std::string& at)
    : options_(options), targets_(options.targets), at_(at), seed_(context.seed()), ranks_(ranks_of(context)), student_(shared_copy(student)), layer_losses_(options.targets.losses.size()) {
  mask_input_ = find_mask(student_, targets_.mask, problems_);
  check_output_numbers(student_, "student", targets_.outputs, problems_);
  if (has_teacher(targets_)) open_teachers(context);
  find_layers();
  throw_problems();
  make_teachers(context);
  fit_on_examples(context);
  throw_problems();
  if (targets_.cache) keep_outputs(context);
  make_sum(context.device());
}

void DistillSession::throw_problems() {
  if (problems_.empty()) return;
  for (auto& problem : problems_) problem.place.pointer = at_ + problem.place.pointer;
  throw Error(ErrorCode::recipe, std::move(problems_));
}

void DistillSession::open_teachers(PassContext& context) {
  static const TeacherConfig kBase;
  std::vector<const TeacherConfig*> configs;
  for (const auto& config : targets_.teachers) configs.push_back(&config);
  if (configs.empty()) configs.push_back(&kBase);
  for (std::size_t i = 0; i < configs.size(); ++i) {
    auto& plan = teachers_.emplace_back();
    plan.config = configs[i];
    plan.pointer = "/teachers/" + std::to_string(i);
    const auto& path = configs[i]->path.path;
    plan.model = std::make_unique<Model>(path.empty() ? context.base().clone() : context.load_model(path, configs[i]->weights.path));
    check_output_numbers(*plan.model, "teacher", targets_.outputs, problems_);
  }
}

void DistillSession::find_layers() {
  const bool any = std::ranges::any_of(targets_.losses, reads_layers);
  if (!any) return;
  Anatomy ours(student_);
  std::vector<Anatomy> theirs;
  for (auto& teacher : teachers_) theirs.emplace_back(*teacher.model);
  for (std::size_t i = 0; i < targets_.losses.size(); ++i) {
    if (!reads_layers(targets_.losses[i])) continue;
    for (std::size_t k = 0; k < teachers_.size(); ++k) {
      layer_losses_[i].emplace_back(targets_.losses[i], ours, theirs[k], student_taps_, teachers_[k].taps, pointer_of(targets_.losses[i], i), problems_);
    }
  }
  if (ours.is_opened()) refresh_types(student_, example_inputs(student_, 0, 1));
}

void DistillSession::make_teachers(PassContext& context) {
  const bool reads_outputs = std::ranges::any_of(targets_.losses, reads_scores);
  for (auto& plan : teachers_) {
    auto inputs = match_inputs(student_.graph, context.data(Split::train).info().other_names, plan.model->graph, plan.config->inputs, plan.pointer, problems_);
    throw_problems();
    ExecutorOptions executor{.device = context.device()};
    executor.channels_last = uses_channels_last(options_.train, plan.model->graph);
    if (uses_bf16(options_.train, context.device())) executor.autocast = ScalarType::bf16;
    plan.network = std::make_unique<Teacher>(std::move(*plan.model), plan.taps.names(), reads_outputs ? targets_.outputs : std::vector<std::int64_t>{},
                                             std::move(inputs), std::move(executor));
    plan.model.reset();
  }
}

std::vector<Readings> DistillSession::read_teachers(const Batch& batch, Ranks& ranks) const {
  const BatchRows rows(ranks, static_cast<std::int64_t>(batch.indices.size()));
  std::vector<Readings> readings;
  for (const auto& teacher : teachers_) {
    if (teacher.kept) {
      readings.push_back({.outputs = teacher.kept->read(batch), .taps = {}});
      continue;
    }
    auto own = teacher.network->read(rows.take(batch.inputs), rows.take(batch.others));
    readings.push_back({.outputs = rows.gather(own.outputs), .taps = rows.gather(own.taps)});
  }
  return readings;
}

void DistillSession::keep_outputs(PassContext& context) {
  const Dataset& data = context.data(Split::train);
  check_cacheable(data);
  if (context.dry_run()) return;
  for (auto& teacher : teachers_) {
    const std::string settings = std::string(uses_bf16(options_.train, context.device()) ? "bf16 " : "f32 ") + context.device();
    teacher.kept = TeacherCache::open(*teacher.network, data, options_.train.batch, settings, context);
  }
}

at::Tensor DistillSession::mask_of(const Batch& batch) const { return mask_input_ ? batch.inputs.at(*mask_input_) : at::Tensor(); }

void DistillSession::fit_on_examples(PassContext& context) {
  auto& data = context.data(Split::train);
  if (data.size() == 0) return;  // the training says so
  std::vector<std::int64_t> indices(static_cast<std::size_t>(batch_size(data, std::min<std::int64_t>(2, data.size()))));
  for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<std::int64_t>(i) % data.size();
  const auto batch = data.batch(indices, std::nullopt);
  Executor executor(student_, {.device = context.device()});
  c10::NoGradGuard no_grad;
  Readings ours;
  ours.taps.resize(student_taps_.names().size());
  std::vector<const Value*> values;
  for (const auto& name : student_taps_.names()) values.push_back(student_.graph.find_value(name));
  ours.outputs = executor.run(batch.inputs, values, [&](const Value& value, const at::Tensor& tensor) { ours.taps[student_taps_.add(value.name())] = tensor; });
  const auto theirs = read_teachers(batch, alone());
  check_outputs(ours, theirs, batch, data.batch(indices, seed_).soft_target);
  for (auto& terms : layer_losses_) {
    for (std::size_t k = 0; k < terms.size(); ++k) terms[k].fit(ours, theirs[k], mask_of(batch), derive_seed(seed_, "teacher", k), problems_);
  }
}

void DistillSession::check_outputs(const Readings& student, const std::vector<Readings>& teachers, const Batch& batch, bool is_mixed) {
  for (std::size_t k = 0; k < teachers.size(); ++k) {
    for (std::size_t i = 0; i < teachers[k].outputs.size(); ++i) {
      const auto &a = student.outputs.at(static_cast<std::size_t>(targets_.outputs[i])), &b = teachers[k].outputs[i];
      if (a.sizes() == b.sizes()) continue;
      throw Error(ErrorCode::data, "the student's output " + describe_sizes(a) + " and the teacher's " + describe_sizes(b) + " differ in shape", {.pointer = at_ + teachers_[k].pointer},
                  "name a teacher with the same classes");
    }
  }
  const bool class_labels = batch.target.defined() && !batch.target.is_floating_point() && !is_mixed;
  for (const auto& loss : targets_.losses) {
    if (needs_labels(loss) && !class_labels) {
      throw Error(
          ErrorCode::data,
          "the loss " + name_of(loss) + " needs class labels, and the training data has none" + std::string(is_mixed ? ": pictures are mixed" : ""),
          {.pointer = at_ + "/losses"}, "use kd or dist");
    }
    if (std::holds_alternative<Labels>(loss) && !batch.target.defined() && batch.labels.empty()) {
      throw Error(ErrorCode::data, "the loss labels needs labels, and the training data has none", {.pointer = at_ + "/losses"}, "leave `labels` out of `losses` to train on the teacher alone");
    }
  }
}

}  // namespace dsc
