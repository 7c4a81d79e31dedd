#include "deploy/attention_past.h"

#include <algorithm>
#include <array>

#include "ops/arguments.h"

namespace dsc {
namespace {

constexpr std::size_t kPositions = 2;  // of [batch, heads, sequence, features]

std::int64_t size_of_token(const Value* value) {
  std::int64_t size = 1;
  for (const Dim& dim : value->tensor().sizes) size *= dim.is_fixed() ? dim.size : 1;
  return size;
}

bool only_moves(const Node& node) {
  constexpr std::array kOps{"aten.slice", "aten.unsqueeze", "aten.expand", "aten.reshape", "aten.view", "aten._unsafe_view", "aten.clone",
                            "aten.contiguous", "aten.alias", "aten.flatten", "aten.repeat_interleave", "aten.to"};
  return std::find(kOps.begin(), kOps.end(), node.op()) != kOps.end();
}

bool is_cache(const Value* value, const SequenceSymbol& length) {
  const TensorType& type = value->tensor();
  return type.rank() == 4 && length.is(type.sizes[kPositions]) && type.sizes[1].is_fixed() && type.sizes[3].is_fixed();
}

}  // namespace

AttentionPast::AttentionPast(const DecoderGraph& decoder, LaterRows& later)
    : decoder_(decoder), graph_(decoder.graph), length_(decoder.length), later_(later), earlier_(std::get<SymbolType>(decoder.earlier->type()).expression),
      beams_(graph_.add_input(InputKind::user, "beam_idx", "beam_idx", TensorType{.dtype = ScalarType::i32, .sizes = {decoder.ids->tensor().sizes[0]}})) {}

Value* AttentionPast::insert(Node* before, const std::string& target, std::vector<NamedArgument> arguments, ScalarType dtype, std::vector<Dim> sizes) {
  const std::string name = target.substr(5, target.rfind('.') - 5);
  return graph_.insert(before, target, std::move(arguments), {{name, TensorType{.dtype = dtype, .sizes = std::move(sizes)}}})->output();
}

void AttentionPast::add_to(Node* attention) {
  Value* mask = later_mask(attention);
  Value* keys = with_past(attention, attention->find_value("key"), "key");
  Value* values = with_past(attention, attention->find_value("value"), "value");
  graph_.set_argument(attention, "key", keys);
  graph_.set_argument(attention, "value", values);
  graph_.set_argument(attention, "attn_mask", mask);
  if (attention->find_argument("is_causal")) graph_.set_argument(attention, "is_causal", false);
  ++layer_;
}

std::size_t AttentionPast::keep() {
  for (const auto& [name, value] : kept_) {
    graph_.rename(value, name);
    graph_.add_output(OutputKind::user, value);
  }
  return kept_.size();
}

Value* AttentionPast::with_past(Node* attention, Value* taken, const std::string& what) {
  if (!is_cache(taken, length_) || !decoder_.flow.is_of_tokens(taken)) {
    refuse_decoder(*attention, "has a " + what + " that is not [batch, heads, sequence, features] of the tokens");
  }
  Value* kept = before_repetition(taken);
  if (!all_.contains(kept)) all_[kept] = extended(attention, kept, what);
  return repeated(attention, taken);
}

// Grouped queries share keys: what they were before each was repeated is smaller, and worth keeping.
Value* AttentionPast::before_repetition(Value* taken) const {
  Value* best = taken;
  for (Value* value = taken; value->producer() && only_moves(*value->producer());) {
    Value* source = tensor_arguments(*value->producer()).front();
    if (size_of_token(source) > size_of_token(value) || !decoder_.flow.is_of_tokens(source)) break;
    value = source;
    if (is_cache(value, length_) && size_of_token(value) < size_of_token(best)) best = value;
  }
  return best;
}

// Behind those of earlier calls, in the order that beams go on in.
Value* AttentionPast::extended(Node* attention, Value* kept, const std::string& what) {
  const TensorType& type = kept->tensor();
  const auto sized = [&](const Dim& length) {
    std::vector<Dim> sizes = type.sizes;
    sizes[kPositions] = length;
    return sizes;
  };
  const std::string name = std::to_string(layer_) + "." + what;
  Value* past = graph_.add_input(InputKind::user, "past_key_values." + name, "past_key_values." + name, TensorType{.dtype = type.dtype, .sizes = sized(earlier_)});
  Value* own = insert(attention, "aten.index_select.default", {{"self", past}, {"dim", std::int64_t{0}}, {"index", beams_}}, type.dtype, sized(earlier_));
  Value* all = insert(attention, "aten.cat.default", {{"tensors", ValueList{own, kept}}, {"dim", static_cast<std::int64_t>(kPositions)}}, type.dtype, sized(later_.total()));
  kept_.emplace_back("present." + name, all);
  return all;
}

// The way from what is kept to what the attention takes, over all positions.
Value* AttentionPast::repeated(Node* attention, Value* taken) {
  if (const auto known = all_.find(taken); known != all_.end()) return known->second;
  const Node& node = *taken->producer();
  Value* source = tensor_arguments(node).front();
  Value* all = repeated(attention, source);
  Node* made = later_.copy(node, attention, [&](Value* argument) { return argument == source ? all : later_.whole(argument); }, {later_.at_total(taken->tensor())});
  return all_[taken] = made->output();
}

Value* AttentionPast::later_mask(Node* attention) {
  Value* given = attention->find_value("attn_mask");
  if (!given && !bool_or(*attention, "is_causal", false)) refuse_decoder(*attention, "lets positions look at later ones: it has no mask");
  if (!given) return without_padding(attention, causal_mask());
  const TensorType& type = given->tensor();
  const auto rank = static_cast<std::size_t>(type.rank());
  if (rank < 2 || !length_.is(type.sizes[rank - 2]) || !length_.is(type.sizes[rank - 1])) refuse_decoder(*attention, "has a mask that is not [.., queries, keys]");
  if (decoder_.flow.is_of_tokens(given)) {
    refuse_decoder(*attention, "has a mask that depends on the tokens, of which later calls see only the new ones", "export the model with an attention_mask");
  }
  Value* mask = later_.rows(given, type.rank() - 2, LaterRows::Of::places);
  return decoder_.knew_mask ? mask : without_padding(attention, mask);
}

Value* AttentionPast::causal_mask() {
  if (causal_) return causal_;
  Node* at = decoder_.nodes.front();
  const Dim one{1, ""};
  Value* places = insert(at, "aten.arange.default", {{"end", decoder_.total}}, ScalarType::i64, {later_.total()});
  Value* own = insert(at, "aten.slice.Tensor", {{"self", places}, {"dim", std::int64_t{0}}, {"start", decoder_.earlier}, {"end", kToTheEnd}}, ScalarType::i64, {length_.dim()});
  own = insert(at, "aten.unsqueeze.default", {{"self", own}, {"dim", std::int64_t{1}}}, ScalarType::i64, {length_.dim(), one});
  causal_ = insert(at, "aten.le.Tensor", {{"self", places}, {"other", own}}, ScalarType::boolean, {length_.dim(), later_.total()});
  return causal_;
}

// For graphs that do not know the mask.
Value* AttentionPast::without_padding(Node* attention, Value* mask) {
  if (mask->tensor().dtype != ScalarType::boolean) {
    refuse_decoder(*attention, "has a mask of numbers, and the graph no attention_mask", "export the model with an attention_mask");
  }
  if (const auto known = padded_.find(mask); known != padded_.end()) return known->second;
  const Dim batch = decoder_.mask->tensor().sizes[0], one{1, ""};
  Value* shown = insert(attention, "aten.ne.Scalar", {{"self", decoder_.mask}, {"other", std::int64_t{0}}}, ScalarType::boolean, {batch, later_.total()});
  shown = insert(attention, "aten.unsqueeze.default", {{"self", shown}, {"dim", std::int64_t{1}}}, ScalarType::boolean, {batch, one, later_.total()});
  shown = insert(attention, "aten.unsqueeze.default", {{"self", shown}, {"dim", std::int64_t{1}}}, ScalarType::boolean, {batch, one, one, later_.total()});
  return padded_[mask] = insert(attention, "aten.logical_and.default", {{"self", mask}, {"other", shown}}, ScalarType::boolean, {batch, one, length_.dim(), later_.total()});
}

}  // namespace dsc
