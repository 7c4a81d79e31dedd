// Prompts for a language model, and what their continuations should be.
#include <filesystem>

#include "data/split.h"
#include "data/tokens.h"
#include "dscompress/error.h"
#include "text/utf8.h"

namespace dsc {
namespace {

constexpr const char* kReference = "reference";  // the column's usual name

void refuse_empty(const TextTable& table, const std::string& column, FileProblems& problems) {
  const auto& cells = table.column(column);
  for (std::size_t row = 0; row < cells.size(); ++row) {
    if (words_of(cells[row]).empty())
      problems.add(table.place(static_cast<std::int64_t>(row)).line, "the column `" + column + "` is empty",
                   "a prompt and its reference have words; fill it in, or remove the line");
  }
}

}  // namespace

std::unique_ptr<Dataset> open_generation(const SplitConfig& split) {
  const TextConfig& config = split.text;
  const TextTable table(locate_text(split, {".jsonl", ".tsv", ".csv"}), config.table, config.header);
  const std::string reference = config.columns.pair.empty() ? kReference : config.columns.pair;
  FileProblems problems(table.path());
  refuse_empty(table, config.columns.text, problems);
  refuse_empty(table, reference, problems);
  problems.throw_if_any();
  const Tokenizer tokenizer(config.tokenizer.path);
  const auto& layout = tokenizer.facts().single;
  if (config.max_length <= layout.special_count())
    throw Error(ErrorCode::data, "max_length leaves no room for text beside special tokens", {},
                "give at least " + std::to_string(layout.special_count() + 1));

  TokenExamples examples;
  examples.generation = std::make_unique<GenerationKey>();
  examples.generation->codec = std::filesystem::path(config.tokenizer.path).parent_path().string();
  examples.generation->encoder = config.encoder.path;
  examples.generation->end = tokenizer.facts().end_id;
  for (const auto row : select_examples(split, table.row_count())) {
    examples.texts.push_back(table.column(config.columns.text)[static_cast<std::size_t>(row)]);
    examples.generation->references.push_back(table.column(reference)[static_cast<std::size_t>(row)]);
  }
  CutCount cuts;
  for (const auto& tokens : remembering(tokenizer, config.cache)(examples.texts)) {
    examples.sequences.push_back(make_sequence(layout, tokens, {}, config.max_length));
    cuts.add(examples.sequences.back());
  }
  if (auto note = cuts.note(config.max_length); !note.empty()) examples.notes.push_back(std::move(note));
  examples.description = describe_text(split, table.path()) + ", " + std::to_string(examples.texts.size()) + " prompts";
  return make_token_dataset(std::move(examples), split, tokenizer.facts());
}

}  // namespace dsc
