#include "text/sequence.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "dscompress/error.h"

namespace dsc {
namespace {

struct Lengths {
  std::int64_t first, second;
};

// source: Hugging Face tokenizers, utils/truncation.rs, TruncationStrategy::LongestFirst: the shorter text keeps all it can.
Lengths cut_longest(Lengths lengths, std::int64_t room) {
  const bool first_is_longer = lengths.first > lengths.second;
  std::int64_t shorter = std::min(lengths.first, lengths.second);
  std::int64_t longer = shorter > room ? shorter : std::max(shorter, room - shorter);
  if (shorter + longer > room) {
    shorter = room / 2;
    longer = shorter + room % 2;
  }
  return first_is_longer ? Lengths{longer, shorter} : Lengths{shorter, longer};
}

Lengths fit(Lengths lengths, std::int64_t room, Truncation truncation) {
  if (lengths.first + lengths.second <= room) return lengths;
  if (lengths.second == 0) return {room, 0};
  if (truncation == Truncation::longest_first) return cut_longest(lengths, room);
  const std::int64_t first = std::min(lengths.first, room);
  return {first, room - first};
}

std::int32_t parse_number(const std::string& text, const std::string& whole) {
  std::int32_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) {
    throw Error(ErrorCode::data, "the tokenizer's layout of sequences `" + whole + "` has `" + text + "` where a number belongs", {},
                "convert the tokenizer again with scripts/export_tokenizer.py");
  }
  return value;
}

}  // namespace

SequenceTemplate::SequenceTemplate(const std::string& text) {
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const auto colon = word.find(':');
    const std::string what = word.substr(0, colon);
    Item item{.type = parse_number(colon == std::string::npos ? "" : word.substr(colon + 1), text)};
    if (what == "A") item.kind = Item::Kind::first;
    else if (what == "B") item.kind = Item::Kind::second;
    else item.id = parse_number(what, text);
    items_.push_back(item);
  }
}

std::int64_t SequenceTemplate::special_count() const {
  return std::count_if(items_.begin(), items_.end(), [](const Item& item) { return item.kind == Item::Kind::token; });
}

TokenSequence make_sequence(const SequenceTemplate& layout, const TokenIds& first, const TokenIds& second, std::int64_t max_length,
                            Truncation truncation) {
  const Lengths whole{static_cast<std::int64_t>(first.size()), static_cast<std::int64_t>(second.size())};
  const Lengths kept = fit(whole, max_length - layout.special_count(), truncation);
  TokenSequence sequence;
  sequence.cut = whole.first + whole.second - kept.first - kept.second;
  const auto append = [&](const TokenIds& ids, std::int64_t count, std::int64_t& at, std::int32_t type) {
    at = static_cast<std::int64_t>(sequence.ids.size());
    sequence.ids.insert(sequence.ids.end(), ids.begin(), ids.begin() + count);
    sequence.types.resize(sequence.ids.size(), type);
  };
  for (const auto& item : layout.items()) {
    if (item.kind == SequenceTemplate::Item::Kind::first) {
      append(first, kept.first, sequence.first_at, item.type);
    } else if (item.kind == SequenceTemplate::Item::Kind::second) {
      append(second, kept.second, sequence.second_at, item.type);
    } else {
      sequence.ids.push_back(item.id);
      sequence.types.push_back(item.type);
    }
  }
  return sequence;
}

}  // namespace dsc
