#include <algorithm>
#include <map>

#include "text/generation_score.h"
#include "text/utf8.h"

namespace dsc {
namespace {

std::vector<std::string> rouge_tokens(const std::string& text) {
  std::vector<std::string> tokens;
  bool in_word = false;
  for (const char c : to_lower(text)) {
    const bool is_part = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (is_part && !in_word) tokens.emplace_back();
    if (is_part) tokens.back() += c;
    in_word = is_part;
  }
  return tokens;
}

double f1(double both, double given, double wanted) { return both > 0 ? 2 * both / (given + wanted) : 0; }

std::map<std::vector<std::string>, std::int64_t> word_ngrams(const std::vector<std::string>& tokens, std::size_t n) {
  std::map<std::vector<std::string>, std::int64_t> counts;
  for (std::size_t i = 0; i + n <= tokens.size(); ++i) {
    const auto first = tokens.begin() + static_cast<std::ptrdiff_t>(i);
    ++counts[{first, first + static_cast<std::ptrdiff_t>(n)}];
  }
  return counts;
}

std::size_t common_subsequence(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::size_t> before(b.size() + 1, 0), now(b.size() + 1, 0);
  for (const auto& word : a) {
    for (std::size_t j = 0; j < b.size(); ++j) now[j + 1] = word == b[j] ? before[j] + 1 : std::max(before[j + 1], now[j]);
    std::swap(before, now);
  }
  return before.back();
}

}  // namespace

double rouge_n(const std::string& text, const std::string& reference, std::size_t n) {
  const auto mine = rouge_tokens(text), theirs = rouge_tokens(reference);
  if (mine.size() < n || theirs.size() < n) return 0;
  const auto wanted = word_ngrams(theirs, n);
  double both = 0;
  for (const auto& [ngram, count] : word_ngrams(mine, n)) {
    if (const auto found = wanted.find(ngram); found != wanted.end()) both += static_cast<double>(std::min(count, found->second));
  }
  return f1(both, static_cast<double>(mine.size() - n + 1), static_cast<double>(theirs.size() - n + 1));
}

double rouge_l(const std::string& text, const std::string& reference) {
  const auto mine = rouge_tokens(text), theirs = rouge_tokens(reference);
  return f1(static_cast<double>(common_subsequence(mine, theirs)), static_cast<double>(mine.size()), static_cast<double>(theirs.size()));
}

}  // namespace dsc
