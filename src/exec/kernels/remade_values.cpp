#include "exec/kernels/remade_values.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/as_strided.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/saved_variable_hooks.h>

#include <mutex>
#include <utility>
#include <vector>

#include "exec/allocator.h"

namespace dsc {
namespace {

thread_local RemadeValues* innermost = nullptr;

// Of one saved tensor.
class KeptOrMade : public torch::autograd::SavedVariableHooks {
 public:
  explicit KeptOrMade(const RemadeValues& values) : values_(&values) {}

  void call_pack_hook(const at::Tensor& tensor) override {
    make_ = std::exchange(values_, nullptr)->find(tensor);
    if (!make_) {
      kept_ = tensor.detach();  // of an operator's own result: without its gradient function, which would hold itself
      version_ = kept_._version();
      return;
    }
    sizes_ = tensor.sizes().vec();
    strides_ = tensor.strides().vec();
    offset_ = tensor.storage_offset();
  }

  at::Tensor call_unpack_hook() override {
    if (make_) {
      const at::NoGradGuard no_grad;
      limit_freed_memory();
      return at::as_strided((*make_)(), sizes_, strides_, offset_);
    }
    // As autograd checks what it saves without hooks.
    TORCH_CHECK(kept_._version() == version_, "one of the variables needed for gradient computation has been modified by an inplace operation");
    return kept_;
  }

 private:
  const RemadeValues* values_;
  std::shared_ptr<const RemadeValues::Make> make_;
  at::Tensor kept_;
  std::uint32_t version_ = 0;
  std::vector<std::int64_t> sizes_, strides_;
  std::int64_t offset_ = 0;
};

// LibTorch's engine, but for the hooks that Python would set.
class Engine : public torch::autograd::Engine {
  std::unique_ptr<torch::autograd::SavedVariableHooks> get_default_saved_variable_hooks() override {
    return innermost && !innermost->empty() ? std::make_unique<KeptOrMade>(*innermost) : nullptr;
  }
};

torch::autograd::Engine& engine() {
  static auto* one = new Engine;  // never destroyed, as LibTorch's own: threads may use it until the process ends
  return *one;
}

}  // namespace

RemadeValues::RemadeValues() : outer_(innermost) {
  static std::once_flag set;
  std::call_once(set, [] { torch::autograd::set_default_engine_stub(engine); });
  innermost = this;
}

RemadeValues::~RemadeValues() { innermost = outer_; }

RemadeValues* RemadeValues::current() { return innermost; }

void RemadeValues::add(const at::Tensor& value, Make make) {
  const auto memory = value.storage().getWeakStorageImpl();
  made_.insert_or_assign(value.storage().unsafeGetStorageImpl(), Entry{memory, std::make_shared<const Make>(std::move(make))});
}

std::shared_ptr<const RemadeValues::Make> RemadeValues::find(const at::Tensor& tensor) const {
  if (!tensor.has_storage()) return nullptr;
  const auto found = made_.find(tensor.storage().unsafeGetStorageImpl());
  return found == made_.end() ? nullptr : found->second.make;
}

}  // namespace dsc
