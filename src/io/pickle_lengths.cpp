// Whether a pickle holds what its lengths say, without running it.
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "io/pickle.h"

namespace dsc::pickle {
namespace {

// Bytes of an operation's argument: fixed, or a length of so many bytes in front.
struct Argument {
  std::size_t fixed = 0, length = 0;
  int lines = 0;
};
std::optional<Argument> argument_of(char code) {
  constexpr std::string_view kNone = "().]}tuesaRNbl\x81\x85\x86\x87\x88\x89Q012", kOne = "\x80Khq\x82", kTwo = "M\x83", kFour = "Jjr\x84";
  if (kNone.find(code) != std::string_view::npos) return Argument{};
  if (kOne.find(code) != std::string_view::npos) return Argument{.fixed = 1};
  if (kTwo.find(code) != std::string_view::npos) return Argument{.fixed = 2};
  if (kFour.find(code) != std::string_view::npos) return Argument{.fixed = 4};
  switch (code) {
    case 'G': return Argument{.fixed = 8};
    case 'U': case '\x8a': case 'C': return Argument{.length = 1};
    case 'X': case 'T': case 'B': case '\x8b': return Argument{.length = 4};
    case 'c': return Argument{.lines = 2};
    default: return std::nullopt;
  }
}

}  // namespace

bool lengths_are_right(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const char code = bytes[at++];
    if (code == '.') return true;
    const auto argument = argument_of(code);
    if (!argument || argument->fixed + argument->length > bytes.size() - at) return false;
    std::uint64_t length = 0, place = 0;
    std::memcpy(&length, bytes.data() + at, argument->length);
    if (code == 'r') std::memcpy(&place, bytes.data() + at, argument->fixed);
    if (place > bytes.size()) return false;
    at += argument->fixed + argument->length;
    if (length > bytes.size() - at) return false;
    at += length;
    for (int line = 0; line < argument->lines; ++line) {
      const auto end = bytes.find('\n', at);
      if (end == std::string_view::npos) return false;
      at = end + 1;
    }
  }
  return false;
}

}  // namespace dsc::pickle
