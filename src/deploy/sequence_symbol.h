// The symbol of a graph's sequence length, and where sizes speak of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dscompress/graph.h"

namespace dsc {

class SequenceSymbol {
 public:
  // of: a size that is the length and nothing else.
  explicit SequenceSymbol(const Dim& of);

  const Dim& dim() const { return dim_; }
  bool is(const Dim& dim) const;                     // the length itself
  bool is_in(const Dim& dim) const;                  // the length, or an expression of it
  // Whether the size is the length times something: the tokens of a batch in one dimension. "s - 1" is none.
  bool is_multiple(const Dim& dim) const;
  Dim with(const Dim& dim, const Dim& other) const;  // `other`, a symbol, in the length's place
  std::vector<std::int64_t> axes(const TensorType& type) const;  // dimensions that speak of the length
  TensorType with(const TensorType& type, const Dim& other) const;

 private:
  Dim dim_;
  std::string name_;
};

// A symbol in the form of another's expression: "Symbol('total', ...)" or "total".
Dim symbol_like(const Dim& like, const std::string& name);

}  // namespace dsc
