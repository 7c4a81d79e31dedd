// The words of the graph's text form, one table for the printer and the parser.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "dscompress/graph.h"

namespace dsc::text {

template <class E, std::size_t N>
using Words = std::array<std::pair<E, std::string_view>, N>;

inline constexpr Words<InputKind, 5> kInputs{{{InputKind::parameter, "param"}, {InputKind::buffer, "buffer"},
                                              {InputKind::constant, "constant"}, {InputKind::user, "input"},
                                              {InputKind::literal, "literal"}}};
inline constexpr Words<OutputKind, 5> kOutputs{{{OutputKind::user, "output"}, {OutputKind::loss, "loss"},
                                                {OutputKind::buffer_mutation, "mutate_buffer"},
                                                {OutputKind::parameter_mutation, "mutate_parameter"},
                                                {OutputKind::input_mutation, "mutate_input"}}};
inline constexpr Words<MemoryFormat, 4> kFormats{{{MemoryFormat::contiguous, "contiguous"},
                                                  {MemoryFormat::preserve, "preserve"},
                                                  {MemoryFormat::channels_last, "channels_last"},
                                                  {MemoryFormat::channels_last_3d, "channels_last_3d"}}};
inline constexpr Words<Layout, 2> kLayouts{{{Layout::strided, "strided"}, {Layout::other, "other_layout"}}};
inline constexpr Words<Region::Kind, 2> kRegions{{{Region::Kind::autocast, "autocast"}, {Region::Kind::set_grad, "set_grad"}}};
inline constexpr Words<ScalarKind, 3> kSymbols{{{ScalarKind::sym_int, "sym_int"}, {ScalarKind::sym_float, "sym_float"},
                                                {ScalarKind::sym_bool, "sym_bool"}}};

template <class E, std::size_t N>
constexpr std::string_view word_of(const Words<E, N>& words, E value) {
  for (const auto& [item, word] : words) {
    if (item == value) return word;
  }
  return "?";
}
template <class E, std::size_t N>
constexpr const E* find_word(const Words<E, N>& words, std::string_view wanted) {
  for (const auto& entry : words) {
    if (entry.second == wanted) return &entry.first;
  }
  return nullptr;
}

constexpr bool is_word_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
constexpr bool is_word(char c) { return is_word_start(c) || (c >= '0' && c <= '9') || c == '.'; }
// Whether text can stand without quotes where a word is expected.
constexpr bool is_plain_word(std::string_view text) {
  if (text.empty() || !is_word_start(text.front())) return false;
  for (char c : text) {
    if (!is_word(c)) return false;
  }
  return true;
}
// Whether a symbolic expression can stand without quotes: it ends at one of `{ , ] =` or the line's end.
constexpr bool is_plain_expression(std::string_view text) {
  if (text.empty() || text.back() == ' ' || !(is_word_start(text.front()) || text.front() == '(')) return false;
  for (char c : text) {
    if (!is_word(c) && std::string_view(" ()+-*/%").find(c) == std::string_view::npos) return false;
  }
  return true;
}

}  // namespace dsc::text
