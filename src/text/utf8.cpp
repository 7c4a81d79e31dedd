#include "text/utf8.h"

#include <clocale>
#include <cwctype>
#include <locale.h>

#include "dscompress/error.h"

namespace dsc {
namespace {

// The C library's tables of Unicode, whatever locale the user has.
locale_t unicode() {
  static const locale_t locale = [] {
    const locale_t made = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    if (!made) throw Error(ErrorCode::unsupported, "this system has no locale C.UTF-8", {}, "install the system's locales (libc-bin)");
    return made;
  }();
  return locale;
}

std::wint_t wide(char32_t code) { return static_cast<std::wint_t>(code); }

void append(std::string& text, char32_t code) {
  const auto byte = [&](char32_t value) { text += static_cast<char>(value); };
  if (code < 0x80) return byte(code);
  if (code < 0x800) {
    byte(0xC0 | (code >> 6));
  } else if (code < 0x10000) {
    byte(0xE0 | (code >> 12));
    byte(0x80 | ((code >> 6) & 0x3F));
  } else {
    byte(0xF0 | (code >> 18));
    byte(0x80 | ((code >> 12) & 0x3F));
    byte(0x80 | ((code >> 6) & 0x3F));
  }
  byte(0x80 | (code & 0x3F));
}

// Bytes of the character that starts with this one; 0: none does.
std::size_t length_of(unsigned char first) {
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;
  return first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
}

}  // namespace

// source: the Unicode standard, table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF.
std::size_t find_broken_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; };
  for (std::size_t at = 0; at < text.size();) {
    const unsigned char first = byte(at);
    const std::size_t length = length_of(first);
    if (length == 0) return at;
    const unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (length > 1 && (byte(at + 1) < low || byte(at + 1) > high)) return at;
    for (std::size_t i = 2; i < length; ++i) {
      if ((byte(at + i) & 0xC0) != 0x80) return at;
    }
    at += length;
  }
  return std::string_view::npos;
}

Character character_at(std::string_view text, std::size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const std::size_t length = length_of(first);
  char32_t code = length == 1 ? first : first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) code = (code << 6) | (static_cast<unsigned char>(text[at + i]) & 0x3FU);
  return {code, length};
}

bool is_space(char32_t code) {
  const bool no_break = code == 0xA0 || code == 0x2007 || code == 0x202F;  // for the C library no spaces, as lines may not break there
  return no_break || (code >= 0x1C && code <= 0x1F) || code == 0x85 || ::iswspace_l(wide(code), unicode()) != 0;
}

bool is_word(char32_t code) { return code == '_' || ::iswalnum_l(wide(code), unicode()) != 0; }

bool is_punctuation(char32_t code) { return code == '_' || (!is_word(code) && !is_space(code) && ::iswprint_l(wide(code), unicode()) != 0); }

bool is_ideograph(char32_t code) {
  const auto within = [&](char32_t low, char32_t high) { return code >= low && code <= high; };
  return within(0x4E00, 0x9FFF) || within(0x3400, 0x4DBF) || within(0x20000, 0x2CEAF) || within(0xF900, 0xFAFF) || within(0x2F800, 0x2FA1F);
}

std::string to_lower(std::string_view text) {
  std::string lower;
  lower.reserve(text.size());
  for_each_character(text, [&](Character character, std::size_t) { append(lower, static_cast<char32_t>(::towlower_l(wide(character.code), unicode()))); });
  return lower;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  bool in_word = false;
  for_each_character(text, [&](Character character, std::size_t at) {
    const bool space = is_space(character.code);
    if (!space && !in_word) words.emplace_back();
    if (!space) words.back() += text.substr(at, character.bytes);
    in_word = !space;
  });
  return words;
}

}  // namespace dsc
