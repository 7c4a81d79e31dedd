#include "text/augment.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "dscompress/error.h"
#include "text/table.h"
#include "text/utf8.h"

namespace dsc {
namespace {

void add_choice(WordChoices& choices, const std::string& word, const std::string& other) {
  auto& list = choices[to_lower(word)];
  if (std::find(list.begin(), list.end(), other) == list.end()) list.push_back(other);
}

// Fields of one line of a synonym table, whichever it is.
std::vector<std::string> split(const std::string& line, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(line);
  for (std::string part; std::getline(in, part, separator);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

struct Vectors {
  std::vector<std::string> words;
  std::vector<std::vector<float>> values;  // of length 1
};

Vectors read_vectors(const std::string& path) {
  const auto json = nlohmann::json::parse(read_utf8(path), nullptr, false);
  if (!json.is_object() || json.empty()) throw Error(ErrorCode::data, "expected an object of word vectors", {.file = path}, "write {\"word\": [numbers], ...}");
  Vectors vectors;
  for (const auto& [word, value] : json.items()) {
    std::vector<float> vector;
    for (const auto& number : value) vector.push_back(number.is_number() ? number.get<float>() : NAN);
    double length = 0;
    for (const float x : vector) length += static_cast<double>(x) * static_cast<double>(x);
    length = std::sqrt(length);
    const bool fits = vectors.values.empty() || vector.size() == vectors.values.front().size();
    if (!fits || !std::isfinite(length) || length == 0)
      throw Error(ErrorCode::data, "the vector of `" + word + "` is none, or of another length than the first", {.file = path},
                  "write {\"word\": [numbers], ...}");
    for (float& x : vector) x = static_cast<float>(static_cast<double>(x) / length);
    vectors.words.push_back(word);
    vectors.values.push_back(std::move(vector));
  }
  return vectors;
}

std::vector<std::string> nearest_to(const Vectors& vectors, std::size_t word, std::size_t count) {
  std::vector<std::pair<float, std::size_t>> scores;
  for (std::size_t other = 0; other < vectors.words.size(); ++other) {
    if (other == word) continue;
    float dot = 0;
    for (std::size_t i = 0; i < vectors.values[word].size(); ++i) dot += vectors.values[word][i] * vectors.values[other][i];
    scores.emplace_back(-dot, other);
  }
  count = std::min(count, scores.size());
  std::partial_sort(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(count), scores.end());
  std::vector<std::string> words;
  for (std::size_t i = 0; i < count; ++i) words.push_back(vectors.words[scores[i].second]);
  return words;
}

// Only the first letter: words in capitals throughout are rare, and mostly names.
std::string with_case_of(const std::string& word, std::string other) {
  const bool capital = word[0] >= 'A' && word[0] <= 'Z';
  if (capital && other[0] >= 'a' && other[0] <= 'z') other[0] = static_cast<char>(other[0] - 'a' + 'A');
  return other;
}

}  // namespace

WordChoices read_synonyms(const std::string& path) {
  const bool wordnet = path.ends_with(".tsv");
  WordChoices choices;
  FileProblems problems(path);
  std::istringstream in(read_utf8(path));
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    const auto fields = split(line, wordnet ? '\t' : ' ');
    if (fields.size() != (wordnet ? 3U : 2U)) {
      problems.add(number, wordnet ? "expected `word TAB part of speech TAB synonyms`" : "expected `word synonym`");
      continue;
    }
    for (const auto& other : wordnet ? split(fields[2], ',') : std::vector<std::string>{fields[1]}) add_choice(choices, fields[0], other);
  }
  problems.throw_if_any();
  if (choices.empty()) throw Error(ErrorCode::data, "the file has no synonyms", {.file = path}, "write `word synonym` a line");
  return choices;
}

WordChoices read_neighbours(const std::string& path, std::int64_t nearest) {
  const Vectors vectors = read_vectors(path);
  WordChoices choices;
  for (std::size_t i = 0; i < vectors.words.size(); ++i) choices[to_lower(vectors.words[i])] = nearest_to(vectors, i, static_cast<std::size_t>(nearest));
  return choices;
}

std::string change_words(const std::string& text, const std::function<void(std::string& word)>& change) {
  std::string result, word;
  const auto end_word = [&] {
    if (!word.empty()) change(word);
    result += word;
    word.clear();
  };
  for_each_character(text, [&](Character character, std::size_t at) {
    if (!is_word(character.code)) end_word();
    (is_word(character.code) ? word : result).append(text, at, character.bytes);
  });
  end_word();
  return result;
}

std::string replace_words(const std::string& text, const WordChoices& choices, double share, Random& random) {
  return change_words(text, [&](std::string& word) {
    const auto found = choices.find(to_lower(word));
    if (found == choices.end() || found->second.empty() || random.uniform() >= share) return;
    word = with_case_of(word, found->second[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(found->second.size())))]);
  });
}

}  // namespace dsc
