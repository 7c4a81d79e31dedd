#include "text/corrupt.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "text/utf8.h"

namespace dsc {
namespace {

bool is_small_letter(char c) { return c >= 'a' && c <= 'z'; }

// A neighbour in the same row of an English keyboard; other characters stay.
char beside(char letter, Random& random) {
  for (const std::string_view row : {std::string_view("qwertyuiop"), std::string_view("asdfghjkl"), std::string_view("zxcvbnm")}) {
    const auto at = row.find(letter);
    if (at == std::string_view::npos) continue;
    const bool to_right = at == 0 || (at + 1 < row.size() && random.below(2) == 1);
    return row[to_right ? at + 1 : at - 1];
  }
  return letter;
}

// At byte `at`, a small letter that is not the first of its word.
void slip(std::string& word, std::size_t at, Random& random) {
  switch (random.below(4)) {
    case 0:
      if (at + 1 < word.size() && is_small_letter(word[at + 1])) return std::swap(word[at], word[at + 1]);
      if (at > 1) return std::swap(word[at], word[at - 1]);
      [[fallthrough]];
    case 1: return static_cast<void>(word.insert(at, 1, word[at]));
    case 2: return static_cast<void>(word.erase(at, 1));
    default: word[at] = beside(word[at], random);
  }
}

}  // namespace

std::string add_typos(const std::string& text, double share, Random& random) {
  return change_words(text, [&](std::string& word) {
    std::vector<std::size_t> places;  // whose neighbours are single bytes too, so that UTF-8 stays whole
    for (std::size_t i = 1; i < word.size(); ++i) {
      if (is_small_letter(word[i]) && static_cast<unsigned char>(word[i - 1]) < 0x80) places.push_back(i);
    }
    if (places.empty() || random.uniform() >= share) return;
    slip(word, places[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(places.size())))], random);
  });
}

std::string write_in_capitals(const std::string& text, double share, Random& random) {
  return change_words(text, [&](std::string& word) {
    if (random.uniform() >= share) return;
    for (char& letter : word) letter = is_small_letter(letter) ? static_cast<char>(letter - 'a' + 'A') : letter;
  });
}

std::string cut_words(const std::string& text, double share) {
  std::int64_t count = 0;
  change_words(text, [&](std::string&) { ++count; });
  const auto kept = std::max<std::int64_t>(1, count - std::llround(share * static_cast<double>(count)));
  std::size_t end = text.size();
  std::int64_t seen = 0;
  bool inside = false;
  for_each_character(text, [&](Character character, std::size_t at) {
    if (is_word(character.code) && !inside && seen++ == kept) end = at;
    inside = is_word(character.code);
  });
  while (end > 0 && end < text.size() && static_cast<unsigned char>(text[end - 1]) == ' ') --end;
  return text.substr(0, end);
}

}  // namespace dsc
