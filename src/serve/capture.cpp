#include "serve/capture.h"

#include <ATen/ops/stack.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "core/utc.h"
#include "io/safetensors.h"

namespace dsc {

Capture::Capture(const CaptureOptions& options) : options_(options), random_(derive_seed(options.seed, "capture")) {
  if (!options_.folder.empty()) make_folders(options_.folder);
}

bool Capture::fits(const std::vector<std::string>& names, const std::vector<at::Tensor>& inputs) {
  if (like_.empty()) {
    names_ = names;
    for (const auto& input : inputs) like_.push_back(input.select(0, 0).clone());
  }
  bool alike = names == names_;
  for (std::size_t i = 0; alike && i < inputs.size(); ++i)
    alike = inputs[i].scalar_type() == like_[i].scalar_type() && inputs[i].sizes().slice(1) == like_[i].sizes();
  return alike;
}

void Capture::offer(const std::string& id, const std::vector<std::string>& names, const std::vector<at::Tensor>& inputs) {
  if (options_.folder.empty()) return;
  const std::lock_guard lock(mutex_);
  if (!fits(names, inputs)) return;
  const auto rows = inputs.front().size(0);
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto place = ++seen_ <= options_.examples ? seen_ - 1 : random_.below(seen_);
    if (place >= options_.examples) continue;
    Example example{.id = rows == 1 || id.empty() ? id : id + "/" + std::to_string(row), .inputs = {}};
    for (const auto& input : inputs) example.inputs.push_back(input.select(0, row).clone());
    if (place == static_cast<std::int64_t>(kept_.size()))
      kept_.push_back(std::move(example));
    else
      kept_[static_cast<std::size_t>(place)] = std::move(example);
  }
}

void Capture::write_if_over() {
  {
    const std::lock_guard lock(mutex_);
    if (std::chrono::steady_clock::now() - begin_ < std::chrono::duration<double>(options_.period_seconds)) return;
  }
  write();
}

std::string Capture::next_file() const {
  const auto stem = options_.folder + "/" + utc_time("%Y-%m-%dT%H%M%SZ");
  auto path = stem + ".safetensors";
  for (int i = 2; std::filesystem::exists(path); ++i) path = stem + "_" + std::to_string(i) + ".safetensors";  // sorted behind the first one
  return path;
}

void Capture::write() {
  std::vector<Example> examples;
  std::vector<std::string> names;
  {
    const std::lock_guard lock(mutex_);
    examples.swap(kept_);
    names = names_;
    seen_ = 0;
    begin_ = std::chrono::steady_clock::now();
  }
  if (examples.empty()) return;
  TensorFile file;
  auto ids = nlohmann::json::array();
  for (const auto& example : examples) ids.push_back(example.id);
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::vector<at::Tensor> rows;
    for (const auto& example : examples) rows.push_back(example.inputs[i]);
    file.tensors.emplace_back(names[i], at::stack(rows));
  }
  file.metadata["ids"] = ids.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  write_safetensors(next_file(), file);
  const std::lock_guard lock(mutex_);
  captured_ += static_cast<std::int64_t>(examples.size());
}

std::int64_t Capture::captured() const {
  const std::lock_guard lock(mutex_);
  return captured_;
}

}  // namespace dsc
