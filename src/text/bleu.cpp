#include <algorithm>
#include <cmath>
#include <map>

#include "text/generation_score.h"
#include "text/utf8.h"

namespace dsc {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_period(char c) { return c == '.' || c == ','; }
// ASCII punctuation but for apostrophe, comma, dash and period.
bool stands_alone(char c) {
  return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') || (c >= ':' && c <= '@') || c == '/';
}

void replace_all(std::string& text, std::string_view what, std::string_view by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) text.replace(at, what.size(), by);
}

// Rewrites each pair of neighbours that `matches`, from left to right; what one pair took, the next does not take again. Of characters
// beyond ASCII the last byte stands for all.
template <class Matches, class Rewrite>
std::string rewrite_pairs(const std::string& text, Matches matches, Rewrite rewrite) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i + 1 < text.size() && matches(text[i], text[i + 1])) {
      out += rewrite(text[i], text[i + 1]);
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

using TokenNgrams = std::map<std::string, std::int64_t>;

TokenNgrams token_ngrams(const std::vector<std::string>& tokens, std::size_t n) {
  TokenNgrams counts;
  for (std::size_t i = 0; i + n <= tokens.size(); ++i) {
    std::string joined;
    for (std::size_t k = 0; k < n; ++k) joined += (k > 0 ? " " : "") + tokens[i + k];
    ++counts[joined];
  }
  return counts;
}

// The length of the reference that is nearest in length, the shorter one of two.
std::int64_t nearest_length(std::int64_t length, const std::vector<std::vector<std::string>>& references) {
  std::int64_t nearest = -1;
  for (const auto& reference : references) {
    const auto own = static_cast<std::int64_t>(reference.size());
    const auto difference = std::abs(own - length), least = std::abs(nearest - length);
    if (nearest < 0 || difference < least || (difference == least && own < nearest)) nearest = own;
  }
  return std::max<std::int64_t>(0, nearest);
}

}  // namespace

std::vector<std::string> bleu_tokens(std::string_view text) {
  std::string line(text);
  replace_all(line, "<skipped>", "");
  replace_all(line, "-\n", "");
  replace_all(line, "\n", " ");
  replace_all(line, "&quot;", "\"");
  replace_all(line, "&amp;", "&");
  replace_all(line, "&lt;", "<");
  replace_all(line, "&gt;", ">");
  std::string apart;
  for (const char c : " " + line + " ") apart += stands_alone(c) ? std::string{' ', c, ' '} : std::string(1, c);
  apart =
      rewrite_pairs(apart, [](char a, char b) { return !is_digit(a) && is_period(b); }, [](char a, char b) { return std::string{a, ' ', b, ' '}; });
  apart =
      rewrite_pairs(apart, [](char a, char b) { return is_period(a) && !is_digit(b); }, [](char a, char b) { return std::string{' ', a, ' ', b}; });
  apart = rewrite_pairs(apart, [](char a, char b) { return is_digit(a) && b == '-'; }, [](char a, char b) { return std::string{a, ' ', b, ' '}; });
  return words_of(apart);
}

BleuCounts& BleuCounts::operator+=(const BleuCounts& other) {
  for (std::size_t n = 0; n < kOrders; ++n) {
    right[n] += other.right[n];
    all[n] += other.all[n];
  }
  length += other.length;
  reference_length += other.reference_length;
  return *this;
}

BleuCounts bleu_counts(const std::string& text, std::span<const std::string> references) {
  const auto tokens = bleu_tokens(text);
  std::vector<std::vector<std::string>> wanted;
  for (const auto& reference : references) wanted.push_back(bleu_tokens(reference));
  BleuCounts counts;
  counts.length = static_cast<std::int64_t>(tokens.size());
  counts.reference_length = nearest_length(counts.length, wanted);
  for (std::size_t n = 1; n <= BleuCounts::kOrders; ++n) {
    TokenNgrams most;
    for (const auto& reference : wanted) {
      for (const auto& [ngram, count] : token_ngrams(reference, n)) most[ngram] = std::max(most[ngram], count);
    }
    for (const auto& [ngram, count] : token_ngrams(tokens, n)) {
      const auto found = most.find(ngram);
      counts.right[n - 1] += found == most.end() ? 0 : std::min(count, found->second);
      counts.all[n - 1] += count;
    }
  }
  return counts;
}

double bleu(const BleuCounts& counts) {
  if (std::ranges::all_of(counts.right, [](std::int64_t right) { return right == 0; })) return 0;
  double logs = 0, smoothing = 1;
  for (std::size_t n = 0; n < BleuCounts::kOrders; ++n) {
    if (counts.all[n] == 0) return 0;  // too short for this order
    if (counts.right[n] == 0) smoothing *= 2;
    const double precision = counts.right[n] == 0 ? 1 / (smoothing * static_cast<double>(counts.all[n]))
                                                  : static_cast<double>(counts.right[n]) / static_cast<double>(counts.all[n]);
    logs += std::log(precision);
  }
  const double length = static_cast<double>(counts.length), wanted = static_cast<double>(counts.reference_length);
  const double penalty = length < wanted ? std::exp(1 - wanted / length) : 1;
  return 100 * penalty * std::exp(logs / static_cast<double>(BleuCounts::kOrders));
}

}  // namespace dsc
