// The text form of example inputs.
#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include "dscompress/error.h"
#include "io/torchscript.h"

namespace dsc {
namespace {

constexpr std::int64_t kLeadingExample = 2, kOtherExample = 16;  // one is special: it broadcasts

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::usage, what, {}, "write sizes or names, such as `1,3,32,32`, `image=batch,3,224,224` or `ids=batch,sequence@128:i64`");
}

std::optional<std::int64_t> find_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

bool is_name(std::string_view text) {
  return !text.empty() && !std::isdigit(static_cast<unsigned char>(text.front())) &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t end = text.find(separator); end != std::string_view::npos; end = text.find(separator)) {
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  parts.push_back(text);
  return parts;
}

}  // namespace

Dim parse_input_dim(std::string_view text, bool is_first) {
  const auto at = text.find('@');
  const std::string_view name = text.substr(0, at);
  const auto number = find_number(at == std::string_view::npos ? text : text.substr(at + 1));
  if (at == std::string_view::npos && number) {
    if (*number < 1) refuse("size " + std::string(text) + " is not positive");
    return {*number, {}};
  }
  if (!is_name(name)) refuse("`" + std::string(text) + "` is neither a size nor a name");
  if (at != std::string_view::npos && (!number || *number < 2)) refuse("`" + std::string(text) + "`: the example size must be a number above 1");
  return {number.value_or(is_first ? kLeadingExample : kOtherExample), std::string(name)};
}

InputSpec parse_input_spec(std::string_view text) {
  InputSpec spec;
  std::string_view rest = text;
  if (const auto equals = rest.find('='); equals != std::string_view::npos) {
    spec.name = rest.substr(0, equals);
    rest.remove_prefix(equals + 1);
  }
  if (const auto colon = rest.find(':'); colon != std::string_view::npos) {
    const auto type = find_scalar_type(rest.substr(colon + 1));
    if (!type) refuse("input `" + std::string(text) + "`: unknown element type `" + std::string(rest.substr(colon + 1)) + "` (f32, i64, bool, ...)");
    spec.dtype = *type;
    rest = rest.substr(0, colon);
  }
  if (rest.empty()) return spec;  // no dimensions
  const bool is_plain = std::all_of(rest.begin(), rest.end(), [](unsigned char c) { return std::isdigit(c) || c == 'x'; });
  for (const std::string_view part : split(rest, is_plain ? 'x' : ',')) spec.sizes.push_back(parse_input_dim(part, spec.sizes.empty()));
  return spec;
}

}  // namespace dsc
