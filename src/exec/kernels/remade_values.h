// Values that backward makes again instead of keeping them: what one pass over memory gives from tensors that are kept anyway.
//
// Autograd asks for hooks whenever it saves a tensor. Where that tensor is such a value, or a view of it, they keep the recipe; the memory is free
// as soon as forward has no use for it. Results are those of keeping it, if making it again gives the same bits.
// Source: Chen et al. 2016 (arXiv:1604.06174), for single cheap operators rather than stretches of a network.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <unordered_map>

namespace dsc {

// One thread's forward pass, from construction to destruction; an inner one stands in for the outer one. What was saved meanwhile outlives it.
class RemadeValues {
 public:
  using Make = std::function<at::Tensor()>;  // called without gradients, as often as the value is read

  RemadeValues();
  ~RemadeValues();
  RemadeValues(const RemadeValues&) = delete;
  RemadeValues& operator=(const RemadeValues&) = delete;

  // The innermost of this thread; null: there is none, and all that autograd saves is kept.
  static RemadeValues* current();

  // From now on `value` is not kept. It must own its memory alone; `make` must not hold it.
  void add(const at::Tensor& value, Make make);
  // Whether what autograd saves of this tensor is a recipe.
  bool has(const at::Tensor& tensor) const { return find(tensor) != nullptr; }
  bool empty() const { return made_.empty(); }

  // null: no such value.
  std::shared_ptr<const Make> find(const at::Tensor& tensor) const;

 private:
  struct Entry {
    c10::weak_intrusive_ptr<c10::StorageImpl> memory;  // so that the address stands for no other storage
    std::shared_ptr<const Make> make;
  };
  std::unordered_map<const c10::StorageImpl*, Entry> made_;
  RemadeValues* outer_;
};

}  // namespace dsc
