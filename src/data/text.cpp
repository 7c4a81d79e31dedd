// Sentences or pairs of sentences in a table, with classes, numbers or no labels.
#include <ATen/ops/empty.h>

#include <algorithm>

#include "data/labels.h"
#include "data/more_labels.h"
#include "data/split.h"
#include "data/text_variants.h"
#include "data/tokens.h"
#include "dscompress/error.h"
#include "text/utf8.h"

namespace dsc {
namespace {

bool is_blank(const std::string& text) {
  bool blank = true;
  for_each_character(text, [&](Character character, std::size_t) { blank = blank && is_space(character.code); });
  return blank;
}

void refuse_blank(const TextTable& table, const std::vector<std::string>& names) {
  FileProblems problems(table.path());
  for (const auto& name : names) {
    const auto& cells = table.column(name);
    for (std::size_t row = 0; row < cells.size(); ++row) {
      if (is_blank(cells[row])) problems.add(table.place(static_cast<std::int64_t>(row)).line, "the column `" + name + "` is empty", "remove the line, or fill it in");
    }
  }
  problems.throw_if_any();
}

// An absent column of the default name means that there are no labels; any other absent one is a mistake.
bool is_labelled(const TextTable& table, const TextColumns& columns) {
  return !columns.label.empty() && (table.has_column(columns.label) || columns.label != TextColumns{}.label);
}

void check_room(const SequenceTemplate& layout, std::int64_t max_length, bool pair) {
  const std::int64_t least = layout.special_count() + (pair ? 2 : 1);
  if (max_length >= least) return;
  throw Error(ErrorCode::data, "max_length " + std::to_string(max_length) + " leaves no room for text beside " + std::to_string(layout.special_count()) + " special tokens", {},
              "give at least " + std::to_string(least));
}

void add_sequences(const std::vector<TokenIds>& tokens, std::size_t count, const SequenceTemplate& layout, std::int64_t max_length, TokenExamples& examples) {
  const bool pair = tokens.size() > count;
  CutCount cuts;
  for (std::size_t i = 0; i < count; ++i) {
    examples.sequences.push_back(make_sequence(layout, tokens[i], pair ? tokens[count + i] : TokenIds{}, max_length));
    cuts.add(examples.sequences.back());
    if (examples.sequences.back().ids.empty()) throw Error(ErrorCode::data, "\"" + examples.texts[i] + "\" gives no tokens", {}, "remove it from the data");
  }
  if (auto note = cuts.note(max_length); !note.empty()) examples.notes.push_back(std::move(note));
}

at::Tensor gather(const at::Tensor& values, const std::vector<TextVariant>& variants) {
  at::Tensor rows = at::empty({static_cast<std::int64_t>(variants.size())}, at::kLong);
  std::transform(variants.begin(), variants.end(), rows.mutable_data_ptr<std::int64_t>(), [](const TextVariant& variant) { return variant.row; });
  return values.index_select(0, rows);
}

}  // namespace

std::unique_ptr<Dataset> open_text(const SplitConfig& split) {
  const TextConfig& config = split.text;
  const auto& columns = config.columns;
  const TextTable table(locate_text(split, {".tsv", ".csv", ".jsonl", ".txt"}), config.table, config.header);
  const bool pair = !columns.pair.empty();
  refuse_blank(table, pair ? std::vector<std::string>{columns.text, columns.pair} : std::vector<std::string>{columns.text});
  const Tokenizer tokenizer(config.tokenizer.path);
  const auto& layout = pair ? tokenizer.facts().pair : tokenizer.facts().single;
  check_room(layout, config.max_length, pair);

  TokenExamples examples;
  const auto rows = select_examples(split, table.row_count());
  const auto variants = text_variants(table, rows, split, examples.notes);
  std::vector<std::string> texts;
  for (const auto& variant : variants) {
    texts.push_back(variant.text);
    examples.texts.push_back(pair ? variant.text + " | " + variant.pair : variant.text);
  }
  if (pair) std::transform(variants.begin(), variants.end(), std::back_inserter(texts), [](const TextVariant& variant) { return variant.pair; });
  add_sequences(remembering(tokenizer, config.cache)(texts), variants.size(), layout, config.max_length, examples);
  if (is_labelled(table, columns)) {
    const auto labels = read_labels(table, config);
    examples.target = gather(labels.values, variants);
    examples.classes = labels.classes;
    examples.largest_label_at = labels.largest_at;
    examples.class_names = config.classes;
  }
  examples.description = describe_text(split, table.path()) + ", " + std::to_string(variants.size()) + " examples";
  std::vector<MoreLabel> more;
  for (const auto& [name, output] : split.labels) more.push_back({name, output, gather(read_labels_as_written(table, name), variants)});
  return with_more_labels(make_token_dataset(std::move(examples), split, tokenizer.facts()), std::move(more));
}

}  // namespace dsc
