#include "data/split.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/random.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

constexpr const char* kGrammar =
    "write a name and perhaps a slice: train, train[:-5000], train[10%:20%], test[::2]";

[[noreturn]] void fail(const std::string& text, const std::string& why) {
  throw Error(ErrorCode::data, "split `" + text + "`: " + why, {}, kGrammar);
}

std::optional<SplitBound> parse_bound(const std::string& text, std::string_view part) {
  if (part.empty()) return std::nullopt;
  SplitBound bound;
  std::string_view digits = part;
  if (digits.back() == '%') {
    bound.is_percent = true;
    digits.remove_suffix(1);
  }
  auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), bound.value);
  if (digits.empty() || code != std::errc() || end != digits.data() + digits.size() || !std::isfinite(bound.value)) {
    fail(text, "`" + std::string(part) + "` is neither a number of examples nor a percentage");
  }
  if (!bound.is_percent && bound.value != std::floor(bound.value)) {
    fail(text, "`" + std::string(part) + "` is not a whole number of examples");
  }
  if (bound.is_percent && std::abs(bound.value) > 100) fail(text, "`" + std::string(part) + "` is beyond 100 %");
  return bound;
}

std::vector<std::string_view> split_at_colons(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto colon = text.find(':');
    parts.push_back(text.substr(0, colon));
    if (colon == std::string_view::npos) return parts;
    text.remove_prefix(colon + 1);
  }
}

// The position that a bound means among `total` examples.
std::int64_t resolve(const SplitConfig& split, const SplitBound& bound, std::int64_t total) {
  const double count = static_cast<double>(total);
  double position = bound.is_percent ? std::floor(std::abs(bound.value) * count / 100 + 0.5) : std::abs(bound.value);
  if (position > count) {
    fail(split.split, "asks for " + std::to_string(static_cast<std::int64_t>(position)) + " examples, there are " +
                          std::to_string(total));
  }
  if (std::signbit(bound.value)) position = count - position;
  return static_cast<std::int64_t>(position);
}

std::vector<std::int64_t> draw_subset(std::vector<std::int64_t> indices, const SplitConfig& split) {
  const auto count = static_cast<std::int64_t>(indices.size());
  if (split.subset <= 0 || split.subset >= count) return indices;
  std::vector<std::int64_t> order = permutation(count, derive_seed(static_cast<std::uint64_t>(split.subset_seed), "subset"));
  order.resize(static_cast<std::size_t>(split.subset));
  std::sort(order.begin(), order.end());
  for (std::int64_t& i : order) i = indices[static_cast<std::size_t>(i)];
  return order;
}

// Examples at even distances, so that data sorted by class stays balanced.
std::vector<std::int64_t> keep_limit(std::vector<std::int64_t> indices, std::int64_t limit) {
  const auto count = static_cast<std::int64_t>(indices.size());
  if (limit <= 0 || limit >= count) return indices;
  std::vector<std::int64_t> kept;
  for (std::int64_t i = 0; i < limit; ++i) kept.push_back(indices[static_cast<std::size_t>(i * count / limit)]);
  return kept;
}

}  // namespace

SplitExpression parse_split(const std::string& text) {
  SplitExpression expression;
  const auto bracket = text.find('[');
  expression.name = text.substr(0, bracket);
  if (expression.name.empty()) fail(text, "has no name");
  if (expression.name.find_first_of(" \t]:/\\") != std::string::npos || expression.name.starts_with('.')) {
    fail(text, "`" + expression.name + "` is not a name");
  }
  if (bracket == std::string::npos) return expression;
  if (text.back() != ']') fail(text, "has no closing bracket");
  const auto inner = std::string_view(text).substr(bracket + 1, text.size() - bracket - 2);
  const auto parts = split_at_colons(inner);
  if (parts.size() < 2 || parts.size() > 3) fail(text, "a slice is [start:stop] or [start:stop:step]");
  expression.start = parse_bound(text, parts[0]);
  expression.stop = parse_bound(text, parts[1]);
  if (parts.size() == 3) {
    const auto step = parse_bound(text, parts[2]);
    if (step && (step->is_percent || step->value < 1)) fail(text, "the step must be a whole number of at least 1");
    if (step) expression.step = static_cast<std::int64_t>(step->value);
  }
  return expression;
}

std::vector<std::int64_t> select_examples(const SplitConfig& split, std::int64_t total) {
  const SplitExpression expression = parse_split(split.split);
  const std::int64_t start = expression.start ? resolve(split, *expression.start, total) : 0;
  const std::int64_t stop = expression.stop ? resolve(split, *expression.stop, total) : total;
  std::vector<std::int64_t> indices;
  for (std::int64_t i = start; i < stop; i += expression.step) indices.push_back(i);
  if (indices.empty()) {
    fail(split.split, "is empty: it selects none of the " + std::to_string(total) + " examples in " + split.path.path);
  }
  return keep_limit(draw_subset(std::move(indices), split), split.limit);
}

}  // namespace dsc
