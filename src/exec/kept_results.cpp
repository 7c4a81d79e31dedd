#include "exec/kept_results.h"

namespace dsc {
namespace {

std::uint32_t version_of(const at::Tensor& tensor) { return tensor.unsafeGetTensorImpl()->version_counter().current_version(); }
bool counts_versions(const at::Tensor& tensor) { return tensor.defined() && tensor.unsafeGetTensorImpl()->version_counter().enabled(); }

}  // namespace

bool KeptResults::is_current(const Version& version) { return version_of(version.tensor) == version.number; }

bool KeptResults::put(const Step& step, std::vector<c10::IValue>& frame) const {
  const auto found = results_.find(step.node);
  if (found == results_.end()) return false;
  const auto& [sources, made] = found->second;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (!frame[step.made_from[i]].toTensor().is_same(sources[i].tensor) || !is_current(sources[i])) return false;
  }
  if (!is_current(made)) return false;
  frame[step.outputs.front()] = made.tensor;
  return true;
}

void KeptResults::keep(const Step& step, const std::vector<c10::IValue>& frame) {
  Result result{{}, {frame[step.outputs.front()].toTensor()}};
  for (const Slot slot : step.made_from) result.sources.push_back({frame[slot].toTensor()});
  for (auto& source : result.sources) {
    if (!counts_versions(source.tensor)) return;
    source.number = version_of(source.tensor);
  }
  if (!counts_versions(result.made.tensor)) return;
  result.made.number = version_of(result.made.tensor);
  results_.insert_or_assign(step.node, std::move(result));
}

}  // namespace dsc
