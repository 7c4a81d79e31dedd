// Numbers that differ between lanes, as sizes of the graph.
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <utility>

#include "deploy/call_writer.h"

namespace dsc {
namespace {

constexpr int kMostFactors = 4;  // of a size that is a product

}  // namespace

void CallWriter::add_sources(const InLanes& tensor, Value* value) {
  for (std::int64_t dim = 0; dim < tensor.front()->toTensor().dim(); ++dim) {
    Sizes sizes;
    for (const c10::IValue* lane : tensor) sizes.push_back(lane->toTensor().size(dim));
    const bool open = std::any_of(sizes.begin(), sizes.end(), [&](std::int64_t size) { return size != sizes.front(); });
    const bool known = std::any_of(sources_.begin(), sources_.end(), [&](const Source& source) { return source.sizes == sizes; });
    if (open && !known) sources_.push_back({std::move(sizes), value, dim});
  }
}

Value* CallWriter::combine(const char* op, Argument a, Argument b, const Sizes& sizes) {
  return insert(op, {{"", std::move(a)}, {"", std::move(b)}}, {{"", SymbolType{ScalarKind::sym_int, dim_of(lanes_, sizes)}}}, {})->output();
}

Value* CallWriter::read_size(const Source& source) {
  if (source.dim < 0) return source.value;
  return insert("aten.sym_size.int", {{"self", source.value}, {"dim", source.dim}},
                {{"", SymbolType{ScalarKind::sym_int, dim_of(lanes_, source.sizes)}}}, {})->output();
}

// A number that is a known size in every lane, a straight line over one, or a product with one; null: none of these.
Value* CallWriter::size(const Sizes& sizes, int depth) {
  if (const auto known = sizes_.find(sizes); known != sizes_.end()) return known->second;
  const auto done = [&](Value* made) { return sizes_[sizes] = made; };
  for (const Source& source : sources_) {
    if (source.sizes == sizes) return done(read_size(source));
  }
  for (const Source& source : sources_) {
    std::size_t other = 1;
    while (other < sizes.size() && source.sizes[other] == source.sizes[0]) ++other;
    if (other == sizes.size()) continue;
    const std::int64_t run = source.sizes[other] - source.sizes[0], rise = sizes[other] - sizes[0];
    if (rise % run != 0) continue;
    const std::int64_t factor = rise / run, offset = sizes[0] - factor * source.sizes[0];
    bool fits = factor != 0;
    Sizes scaled = sizes;
    for (std::size_t lane = 0; lane < sizes.size(); ++lane) {
      scaled[lane] = factor * source.sizes[lane];
      fits = fits && scaled[lane] + offset == sizes[lane];
    }
    if (!fits) continue;
    Value* made = read_size(source);
    if (factor != 1) made = combine("_operator.mul", made, factor, scaled);
    return done(offset == 0 ? made : combine("_operator.add", made, offset, sizes));
  }
  for (std::size_t i = 0; i < sources_.size() && depth < kMostFactors; ++i) {
    const Source source = sources_[i];
    Sizes rest;
    for (std::size_t lane = 0; lane < sizes.size(); ++lane) {
      if (source.sizes[lane] != 0 && sizes[lane] % source.sizes[lane] == 0) rest.push_back(sizes[lane] / source.sizes[lane]);
    }
    if (rest.size() != sizes.size()) continue;
    if (Value* other = size(rest, depth + 1)) return done(combine("_operator.mul", read_size(source), other, sizes));
  }
  return nullptr;
}

}  // namespace dsc
