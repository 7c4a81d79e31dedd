#include "passes/quantize/ranges/sample_walk.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "dscompress/error.h"
#include "exec/check_inputs.h"
#include "train/parallel.h"

namespace dsc::quantize {

SampleWalk::SampleWalk(const Model& model, Stretches stretches, const CalibrationOptions& options, PassContext& context)
    : model_(model), stretches_(std::move(stretches)), context_(context), ranks_(ranks_of(context)), samples_(options, context), store_(context.cache_folder(), memory_bytes(options)) {
  for (std::size_t i = 0; i < size(); ++i) {
    for (const Value* value : stretches_.all[i].takes) last_readers_[value] = i;
  }
}

namespace {

// As far as the last of the values is made; nothing is given on.
Stretch only_to(const Stretch& stretch, const std::vector<const Value*>& values) {
  Stretch part{{}, stretch.takes, {}};
  std::size_t end = 0;
  for (std::size_t i = 0; i < stretch.nodes.size(); ++i) {
    if (std::ranges::find(values, stretch.nodes[i], &Value::producer) != values.end()) end = i + 1;
  }
  part.nodes.assign(stretch.nodes.begin(), stretch.nodes.begin() + static_cast<std::ptrdiff_t>(end));
  return part;
}

}  // namespace

void SampleWalk::run(const std::vector<const Value*>& values, const Executor::Tap& tap) { run_stretch(values, tap, false); }

void SampleWalk::advance(const std::vector<const Value*>& values, const Executor::Tap& tap) {
  run_stretch(values, tap, true);
  ++at_;
}

void SampleWalk::run_stretch(const std::vector<const Value*>& values, const Executor::Tap& tap, bool keeps) {
  const Stretch& whole = stretches_.all.at(at_);
  const Stretch stretch = keeps ? whole : only_to(whole, values);
  const Graph graph = graph_of(model_.graph, stretch);
  std::unordered_map<const Value*, const Value*> originals;
  std::vector<const Value*> tapped;
  for (const Value* value : values) {
    tapped.push_back(graph.find_value(value->name()));
    if (!tapped.back()) throw Error(ErrorCode::internal, "%" + value->name() + " is neither made nor read in stretch " + std::to_string(at_));
    originals.emplace(tapped.back(), value);
  }
  Executor executor(graph, model_.weights, {.device = context_.device()});
  for_each_batch(keeps, [&](Batch& batch) {
    std::vector<at::Tensor> inputs;
    for (const Value* value : stretch.takes) inputs.push_back(batch.at(value));
    const auto outputs = executor.run(inputs, tapped, [&](const Value& value, const at::Tensor& tensor) { tap(*originals.at(&value), tensor); });
    if (keeps) keep(batch, outputs);
  });
}

void SampleWalk::for_each_batch(bool keeps, const std::function<void(Batch& batch)>& body) {
  if (at_ == 0) {
    samples_.for_each(ranks_, [&](const std::vector<at::Tensor>& inputs) {
      Batch batch = first_batch(inputs);
      body(batch);
      if (keeps) batches_.push_back(std::move(batch));
    });
    return;
  }
  const std::string what = "calibration, part " + std::to_string(at_ + 1) + " of " + std::to_string(size());
  for (std::size_t i = 0; i < batches_.size(); ++i) {
    context_.check_cancelled();
    body(batches_[i]);
    context_.progress(what, static_cast<std::int64_t>(i + 1), static_cast<std::int64_t>(batches_.size()));
  }
}

SampleWalk::Batch SampleWalk::first_batch(const std::vector<at::Tensor>& inputs) const {
  check_inputs(model_.graph, inputs);
  Batch batch;
  std::size_t next = 0;
  for (const GraphInput& input : model_.graph.inputs()) {
    if (input.kind == InputKind::user && input.value) batch.emplace(input.value, inputs[next++]);
  }
  return batch;
}

void SampleWalk::keep(Batch& batch, const std::vector<at::Tensor>& outputs) {
  const auto is_read_later = [&](const Value* value) {
    const auto last = last_readers_.find(value);
    return last != last_readers_.end() && last->second > at_;
  };
  const bool was_kept = at_ > 0;  // the samples themselves are not the store's
  for (auto entry = batch.begin(); entry != batch.end();) {
    auto& [value, tensor] = *entry;
    if (is_read_later(value)) {
      if (!was_kept) tensor = store_.keep(tensor);
      ++entry;
      continue;
    }
    if (was_kept) store_.release(tensor);
    entry = batch.erase(entry);
  }
  const std::vector<Value*>& gives = stretches_.all[at_].gives;
  for (std::size_t i = 0; i < gives.size(); ++i) batch.emplace(gives[i], store_.keep(outputs.at(i)));
}

}  // namespace dsc::quantize
