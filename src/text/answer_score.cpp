#include "text/answer_score.h"

#include <map>
#include <string_view>
#include <vector>

#include "text/utf8.h"

namespace dsc {
namespace {

bool is_ascii_punctuation(char32_t code) { return code < 0x80 && (code == '_' || is_punctuation(code)); }

std::string without_punctuation(const std::string& text) {
  std::string kept;
  for_each_character(text, [&](Character character, std::size_t at) {
    if (!is_ascii_punctuation(character.code)) kept.append(text, at, character.bytes);
  });
  return kept;
}

// An article is one between characters that are no letters, digits or underscores; a space takes its place.
std::string without_articles(const std::string& text) {
  std::string kept, run;
  const auto end_run = [&] {
    kept += run == "a" || run == "an" || run == "the" ? " " : run;
    run.clear();
  };
  for_each_character(text, [&](Character character, std::size_t at) {
    if (!is_word(character.code)) end_run();
    (is_word(character.code) ? run : kept).append(text, at, character.bytes);
  });
  end_run();
  return kept;
}

std::vector<std::string> normal_words(const std::string& text) { return words_of(without_articles(without_punctuation(to_lower(text)))); }

}  // namespace

std::string normalize_answer(const std::string& text) {
  std::string joined;
  for (const auto& word : normal_words(text)) joined += (joined.empty() ? "" : " ") + word;
  return joined;
}

double exact_match(const std::string& predicted, const std::string& answer) { return normal_words(predicted) == normal_words(answer) ? 1 : 0; }

double answer_f1(const std::string& predicted, const std::string& answer) {
  const auto mine = normal_words(predicted), theirs = normal_words(answer);
  std::map<std::string, int> counts;
  for (const auto& word : theirs) ++counts[word];
  double same = 0;
  for (const auto& word : mine) same += counts[word]-- > 0 ? 1 : 0;
  return same > 0 ? 2 * same / static_cast<double>(mine.size() + theirs.size()) : 0;
}

}  // namespace dsc
