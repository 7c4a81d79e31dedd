// From token ids of one or two texts to a model's sequence: special tokens, types, truncation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dsc {

using TokenIds = std::vector<std::int32_t>;

// Where special tokens and texts stand in a sequence, and the type of each: "101:0 A:0 102:0 B:1 102:1".
class SequenceTemplate {
 public:
  struct Item {
    enum class Kind : std::uint8_t { token, first, second } kind = Kind::token;
    std::int32_t id = 0;    // of a special token
    std::int32_t type = 0;
  };
  SequenceTemplate() = default;
  explicit SequenceTemplate(const std::string& text);  // errors: data
  const std::vector<Item>& items() const { return items_; }
  std::int64_t special_count() const;

 private:
  std::vector<Item> items_;
};

struct TokenSequence {
  TokenIds ids, types;
  std::int64_t first_at = 0, second_at = 0;  // where the texts start
  std::int64_t cut = 0;                      // tokens left out
};

// Which of two texts loses tokens when both do not fit.
enum class Truncation : std::uint8_t { longest_first, second };

// At most `max_length` tokens, the texts shortened at their ends as Hugging Face's tokenisers do. `second` is empty for a
// template of one text. precondition: the special tokens fit.
TokenSequence make_sequence(const SequenceTemplate& layout, const TokenIds& first, const TokenIds& second, std::int64_t max_length,
                            Truncation truncation = Truncation::longest_first);

}  // namespace dsc
