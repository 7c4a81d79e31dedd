// Settings of the data formats that hold text: `text`, `squad`, `lm`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/fields.h"
#include "text/table.h"

namespace dsc {

struct TextColumns {
  std::string text = "text";
  std::string pair;             // empty: single texts
  std::string label = "label";  // used where there is one; empty: unlabelled
  void fields(FieldVisitor& visit);
};

// What batches are filled up to.
enum class Padding : std::uint8_t { longest, max_length };
std::span<const std::string_view> enum_names(Padding);

// What a language model is to predict at each token.
enum class LmTargets : std::uint8_t {
  next,  // the token after it; blocks are stretches of the text
  none   // nothing: unlabelled text for distillation, each block laid out as a single text
};
std::span<const std::string_view> enum_names(LmTargets);

struct TextConfig {
  TextColumns columns;
  TableFormat table = TableFormat::by_name;
  bool header = true;
  FilePath tokenizer;  // empty: the one beside the model
  FilePath encoder;    // generation; empty: none
  std::int64_t max_length = 128;
  Padding padding = Padding::longest;
  std::vector<std::string> classes;     // names of the labels, in the order of their numbers; empty: labels are numbers
  bool regression = false;              // labels are real numbers
  std::optional<std::int64_t> overlap;  // squad; absent: long contexts are cut
  LmTargets targets = LmTargets::next;
  std::optional<std::int64_t> stride;   // lm; absent: max_length
  std::int64_t variants = 1;            // augmented copies of each example
  std::int64_t variants_seed = 0;
  std::string cache = "runs/tokens";    // folder of token ids by content; empty: none
  void fields(FieldVisitor& visit);     // part of the split's
};

}  // namespace dsc
