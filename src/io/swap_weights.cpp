// A nightly checkpoint brings tensors under the names of the model's state dictionary. Everything that does not fit is
// told at once, because the next nightly run should not bring the next problem.
//
// Tied weights are one tensor under several names; a checkpoint may carry any of them. A tensor that no node uses, such as
// the counter of a batch normalisation, may be missing.
#include <ATen/core/Tensor.h>
#include <ATen/ops/clone.h>
#include <ATen/ops/equal.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/names.h"
#include "dscompress/error.h"
#include "io/pt2_schema.h"
#include "io/safetensors.h"

namespace dsc {
namespace {

std::string type_text(const at::Tensor& tensor) {
  const auto type = pt2::from_aten(tensor.scalar_type());
  return type ? std::string(to_string(*type)) : std::string(c10::toString(tensor.scalar_type()));
}

std::string text_of(const at::Tensor& tensor) {
  std::string shape;
  for (const auto size : tensor.sizes()) shape += (shape.empty() ? "" : ", ") + std::to_string(size);
  return type_text(tensor) + "[" + shape + "]";
}

bool is_like(const at::Tensor& a, const at::Tensor& b) { return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type(); }

// One tensor of the model with all its names; those of the graph come first.
struct Slot {
  std::vector<std::string> targets;
  std::vector<std::string> aliases;
  bool is_needed = false;
};

std::vector<Slot> slots_of(const Model& model) {
  std::vector<Slot> slots;
  std::unordered_map<const void*, std::size_t> by_tensor;
  std::unordered_map<std::string, std::size_t> by_target;
  for (const auto& input : model.graph.inputs()) {
    if (input.kind != InputKind::parameter && input.kind != InputKind::buffer) continue;
    const auto [entry, is_new] = by_tensor.emplace(model.weights.get(input.target).unsafeGetTensorImpl(), slots.size());
    if (is_new) slots.emplace_back();
    auto& slot = slots[entry->second];
    slot.targets.push_back(input.target);
    slot.is_needed |= !input.value->uses().empty() && (input.kind == InputKind::parameter || input.persistent);
    by_target.emplace(input.target, entry->second);
  }
  const auto found = model.archive.json.find("aliases");
  if (found == model.archive.json.end()) return slots;
  const auto table = nlohmann::json::parse(found->second);
  for (const auto& [alias, target] : table.items()) {
    const auto slot = by_target.find(target.get<std::string>());
    if (slot != by_target.end()) slots[slot->second].aliases.push_back(alias);
  }
  return slots;
}

class Swap {
 public:
  Swap(Model& model, const std::string& path) : model_(model), path_(path), file_(read_safetensors(path)) {
    for (const auto& [name, tensor] : file_.tensors) offered_.emplace(name, &tensor);
  }

  void run() {
    for (const auto& slot : slots_of(model_)) fill(slot);
    add_name_problems();
    if (!problems_.empty()) throw Error(ErrorCode::model_file, std::move(problems_));
    for (auto& [name, tensor] : swapped_) model_.weights.set(name, std::move(tensor));
  }

 private:
  void fill(const Slot& slot) {
    const at::Tensor* found = nullptr;
    std::string found_name;
    for (const auto* names : {&slot.targets, &slot.aliases}) {
      for (const auto& name : *names) {
        const auto* offered = take(name);
        if (!offered) continue;
        if (found && !(is_like(*offered, *found) && at::equal(*offered, *found))) {
          add("`" + found_name + "` and `" + name + "` are one tensor in the model but differ in the file", "untie them before exporting the model");
        }
        if (!found) std::tie(found, found_name) = std::pair(offered, name);
      }
    }
    const auto& now = model_.weights.get(slot.targets.front());
    if (!found) {
      if (slot.is_needed) missing_.push_back(slot.targets.front());
    } else if (!is_like(*found, now)) {
      const bool is_shape = found->sizes() != now.sizes();
      add("`" + found_name + "` is " + text_of(now) + " in the model but " + text_of(*found) + " in the file",
          is_shape ? "use a checkpoint of the exported architecture" : "convert the checkpoint to " + type_text(now));
    } else {
      const auto own = found->clone();  // the file may be overwritten while the run goes on
      for (const auto& target : slot.targets) swapped_.emplace_back(target, own);
    }
  }

  // Once everything that fits is taken, what is left over on one side is what the other may have meant.
  void add_name_problems() {
    std::vector<std::string> left;
    for (const auto& [name, tensor] : offered_) left.push_back(name);
    for (const auto& name : missing_) {
      add("the model needs `" + name + "` " + text_of(model_.weights.get(name)) + ", which the file does not have", suggestion(name, left));
    }
    for (const auto& [name, tensor] : offered_) {
      add("the file has `" + name + "` " + text_of(*tensor) + ", which the model does not", suggestion(name, missing_));
    }
  }

  static std::string suggestion(const std::string& wrong, const std::vector<std::string>& names) {
    std::string text;
    for (const auto& name : nearest_names(wrong, names, 2)) text += (text.empty() ? "did you mean `" : " or `") + name + "`";
    return text.empty() ? "" : text + "?";
  }

  void add(std::string message, std::string hint) { problems_.push_back({std::move(message), {.file = path_}, std::move(hint)}); }

  const at::Tensor* take(const std::string& name) {
    const auto found = offered_.find(name);
    if (found == offered_.end()) return nullptr;
    const auto* tensor = found->second;
    offered_.erase(found);
    return tensor;
  }

  Model& model_;
  std::string path_;
  TensorFile file_;
  std::map<std::string, const at::Tensor*> offered_;
  std::vector<std::pair<std::string, at::Tensor>> swapped_;
  std::vector<std::string> missing_;
  std::vector<Problem> problems_;
};

}  // namespace

void swap_weights(Model& model, const std::string& path) { Swap(model, path).run(); }

}  // namespace dsc
