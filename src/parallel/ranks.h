// The processes that work on one run together, as one of them sees it.
//
// Each holds the whole model. A batch is cut into as many parts as there are ranks, in order; what has to be known of the other
// parts (gradients, batch statistics, outputs) goes through the collective calls below, which every rank makes in the same
// order with tensors of the same sizes. All of them give the same bytes on every rank, and the same bytes each time.
// errors of all collective calls: what another rank failed with, by its code and words; io, when one is gone without a word.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/error.h"

namespace dsc {

// A sum that is on its way to the other ranks and back.
class SumUnderway {
 public:
  virtual ~SumUnderway() = default;
  virtual void arrive() = 0;  // waits; the tensors hold the sums then
};

class Ranks {
 public:
  virtual ~Ranks() = default;
  virtual std::int64_t rank() const = 0;
  virtual std::int64_t size() const = 0;
  bool is_first() const { return rank() == 0; }  // the one that writes files, logs and reports
  bool is_alone() const { return size() == 1; }

  // Sums over the ranks, in place. Many tensors at a time travel in few messages.
  virtual void sum(const std::vector<at::Tensor>& tensors) = 0;
  // The same sum, which travels while the caller computes where sums_travel(); elsewhere it is done at once. The tensors are not
  // to be touched until it arrives. Among themselves all ranks begin these sums in one order; other calls may come between.
  virtual bool sums_travel() const { return false; }
  virtual std::unique_ptr<SumUnderway> begin_sum(const std::vector<at::Tensor>& tensors);
  // The largest of the ranks' elements, in place.
  virtual void take_largest(const at::Tensor& tensor) = 0;
  // Every rank's tensor, which all have one shape and type.
  virtual std::vector<at::Tensor> all_of(const at::Tensor& tensor) = 0;
  // The tensor of rank `from`, of any shape; what the others give is not looked at.
  virtual at::Tensor from(std::int64_t from, const at::Tensor& tensor) = 0;

  // No collective call: tells the others why this rank ends. returns: whether the first rank says it, so that this one need not.
  virtual bool announce(const Error& error) = 0;
  // The last call, by all: the ranks part when everyone has arrived.
  virtual void part() = 0;
};

// A process that works by itself: sums are what they are.
Ranks& alone();

// What the first rank makes; the others wait for it. They get its error, too.
std::string from_first(Ranks& ranks, const std::function<std::string()>& make);
// errors: internal, naming the ranks, when not all have the same text. what: "the weights".
void check_same(Ranks& ranks, std::string_view what, const std::string& text);

// Whose batch it is, where ranks take whole batches by turns: of work whose batches do not wait for each other.
class Turns {
 public:
  explicit Turns(const Ranks& ranks) : rank_(ranks.rank()), size_(ranks.size()) {}
  // For each batch once, in their order.
  bool next_is_own() { return next_++ % size_ == rank_; }

 private:
  std::int64_t rank_, size_, next_ = 0;
};

// Part of a list that is a rank's own.
struct Part {
  std::int64_t begin = 0, size = 0;
};
// Parts differ by one at most, and follow each other as the ranks do.
Part part_of(const Ranks& ranks, std::int64_t size);

}  // namespace dsc
