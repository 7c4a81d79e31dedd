#include "passes/restructure/block_places.h"

#include <optional>
#include <utility>

namespace dsc::restructure {
namespace {

constexpr auto kBool = ScalarType::boolean;
constexpr auto kInt = ScalarType::i64;

class PlacesBuilder {
 public:
  PlacesBuilder(SizedInserter& insert, const Window& window, const Length& length, bool is_causal)
      : insert_(insert), window_(window), is_causal_(is_causal), end_(as_argument(length.value)) {
    places_.length = length;
    places_.blocks = blocks_of(length.dim, window.block);
    places_.keys = keys_of_block(window, is_causal);
  }

  BlockPlaces build() {
    Value* starts = insert_.make("aten.arange.start_step", {{"start", std::int64_t{0}}, {"end", end_}, {"step", window_.block}}, kInt, {places_.blocks});
    starts = insert_.unsqueeze(starts, 1);
    Value* rows = shifted(starts, range(0, window_.block));
    Value* columns = shifted(starts, range(-window_.reach, window_.block + (is_causal_ ? 0 : window_.reach)));
    places_.hidden = outside_window(rows, columns);
    if (window_.globals > 0) {
      Value* first = range(0, window_.globals);
      const Dim keys{places_.keys, {}};
      places_.hidden = insert_.concatenate(hidden_globals(first, rows), places_.hidden, 2, keys);
      columns = insert_.concatenate(shifted(insert_.with_number("aten.mul.Scalar", starts, std::int64_t{0}, kInt), first), columns, 1, keys);
    }
    places_.columns = within(columns);
    places_.flat = flat(places_.columns);
    const Dim& length = places_.length.dim;
    if (!length.is_fixed() || length.size % window_.block != 0) places_.rows = flat(within(rows));
    return places_;
  }

 private:
  Value* range(std::int64_t start, std::int64_t end) { return insert_.make("aten.arange.start", {{"start", start}, {"end", end}}, kInt, {{end - start, {}}}); }
  Value* shifted(Value* starts, Value* offsets) { return insert_.with_tensor("aten.add.Tensor", starts, offsets, kInt, {places_.blocks, dim_of(offsets, 0)}); }
  Value* flat(Value* positions) { return insert_.reshape(positions, {std::int64_t{-1}}, {times(dim_of(positions, 0), dim_of(positions, 1))}); }
  Value* either(Value* a, Value* b, Sizes sizes) { return insert_.with_tensor("aten.logical_or.default", a, b, kBool, std::move(sizes)); }

  Value* within(Value* positions) {
    const Length& length = places_.length;
    if (!last_) last_ = length.dim.is_fixed() ? Argument(length.dim.size - 1) : Argument(insert_.minus_one(std::get<Value*>(length.value)));
    return insert_.make("aten.clamp.default", {{"self", positions}, {"min", std::int64_t{0}}, {"max", *last_}}, kInt, positions->tensor().sizes);
  }

  // bool [blocks, block, columns]; global positions have columns of their own.
  Value* outside_window(Value* rows, Value* columns) {
    const Sizes sizes = {places_.blocks, {window_.block, {}}, dim_of(columns, 1)};
    Value* distance = insert_.with_tensor("aten.sub.Tensor", insert_.unsqueeze(rows, 2), insert_.unsqueeze(columns, 1), kInt, sizes);
    Value* apart = is_causal_ ? distance : insert_.make("aten.abs.default", {{"self", distance}}, kInt, sizes);
    Value* far = insert_.with_number("aten.gt.Scalar", apart, window_.reach, kBool);
    if (is_causal_) far = either(far, insert_.with_number("aten.lt.Scalar", distance, std::int64_t{0}, kBool), sizes);
    Value* before = insert_.with_number("aten.lt.Scalar", columns, window_.globals, kBool);
    Value* behind = insert_.with_number("aten.ge.Scalar", columns, end_, kBool);
    return either(far, insert_.unsqueeze(either(before, behind, columns->tensor().sizes), 1), sizes);
  }

  // bool [blocks, block, globals]: those behind the end, or behind the row of a causal attention.
  Value* hidden_globals(Value* first, Value* rows) {
    const Sizes sizes = {places_.blocks, {window_.block, {}}, {window_.globals, {}}};
    Value* each_row = insert_.unsqueeze(rows, 2);
    if (is_causal_) return insert_.with_tensor("aten.lt.Tensor", each_row, first, kBool, sizes);
    Value* none = insert_.with_number("aten.lt.Scalar", each_row, std::int64_t{0}, kBool);
    return either(none, insert_.with_number("aten.ge.Scalar", first, end_, kBool), sizes);
  }

  SizedInserter& insert_;
  const Window& window_;
  bool is_causal_;
  Argument end_;
  std::optional<Argument> last_;
  BlockPlaces places_;
};

}  // namespace

std::int64_t keys_of_block(const Window& window, bool is_causal) { return window.globals + window.block + window.reach * (is_causal ? 1 : 2); }

BlockPlaces make_places(SizedInserter& insert, const Window& window, const Length& length, bool is_causal) {
  return PlacesBuilder(insert, window, length, is_causal).build();
}

}  // namespace dsc::restructure
