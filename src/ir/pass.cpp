// What passes and the runner hand each other, and the table of passes.
#include "dscompress/pass.h"

#include <ATen/core/Tensor.h>

#include <algorithm>

namespace dsc {

SavedState::SavedState() = default;
SavedState::~SavedState() = default;
SavedState::SavedState(const SavedState&) = default;
SavedState::SavedState(SavedState&&) noexcept = default;
SavedState& SavedState::operator=(SavedState other) {
  std::swap(position, other.position);
  std::swap(tensors, other.tensors);
  std::swap(text, other.text);
  return *this;
}

void PassTable::add(PassInfo info) {
  if (find(info.id)) {
    throw Error(ErrorCode::usage, "two passes are called `" + info.id + "`", {}, "rename the plugin's pass");
  }
  const auto after = std::find_if(passes_.begin(), passes_.end(), [&](const auto& pass) { return pass->id > info.id; });
  passes_.insert(after, std::make_unique<PassInfo>(std::move(info)));
}

const PassInfo* PassTable::find(std::string_view id) const {
  const auto found = std::find_if(passes_.begin(), passes_.end(), [&](const auto& pass) { return pass->id == id; });
  return found == passes_.end() ? nullptr : found->get();
}

}  // namespace dsc
