// UTF-8 text as Unicode characters: broken bytes, classes of characters, lower case.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dsc {

// Offset of the first byte that is not part of UTF-8; npos: all is well.
std::size_t find_broken_utf8(std::string_view text);

struct Character {
  char32_t code = 0;
  std::size_t bytes = 1;
};
// The character that starts at byte `at`. precondition: valid UTF-8, `at` inside.
Character character_at(std::string_view text, std::size_t at);

bool is_space(char32_t code);        // as Python's str.isspace
bool is_word(char32_t code);         // letters, digits, underscore: as \w in Python's re
bool is_punctuation(char32_t code);  // neither of them, and visible
bool is_ideograph(char32_t code);    // of the blocks that BERT's tokenisers set apart
std::string to_lower(std::string_view text);
std::vector<std::string> words_of(std::string_view text);  // between spaces, as Python's str.split

// Visits each character: visit(Character, offset in bytes).
template <class Visit>
void for_each_character(std::string_view text, Visit visit) {
  for (std::size_t at = 0; at < text.size();) {
    const Character character = character_at(text, at);
    visit(character, at);
    at += character.bytes;
  }
}

}  // namespace dsc
