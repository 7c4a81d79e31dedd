#include <algorithm>
#include <map>

#include "text/generation_score.h"
#include "text/utf8.h"

namespace dsc {
namespace {

using CharacterNgrams = std::map<std::string, std::int64_t>;

// Characters without blanks.
std::vector<std::string> characters_of(const std::string& text) {
  std::vector<std::string> characters;
  for_each_character(text, [&](Character character, std::size_t at) {
    if (!is_space(character.code)) characters.push_back(text.substr(at, character.bytes));
  });
  return characters;
}

std::array<CharacterNgrams, ChrfCounts::kOrders> character_ngrams(const std::string& text) {
  const auto characters = characters_of(text);
  std::array<CharacterNgrams, ChrfCounts::kOrders> all;
  for (std::size_t i = 0; i < characters.size(); ++i) {
    std::string ngram;
    for (std::size_t n = 0; n < ChrfCounts::kOrders && i + n < characters.size(); ++n) {
      ngram += characters[i + n];
      ++all[n][ngram];
    }
  }
  return all;
}

std::int64_t sum_of(const CharacterNgrams& ngrams) {
  std::int64_t sum = 0;
  for (const auto& [ngram, count] : ngrams) sum += count;
  return sum;
}

ChrfCounts counts_of(const std::array<CharacterNgrams, ChrfCounts::kOrders>& given, const std::array<CharacterNgrams, ChrfCounts::kOrders>& wanted) {
  ChrfCounts counts;
  for (std::size_t n = 0; n < ChrfCounts::kOrders; ++n) {
    counts.wanted[n] = sum_of(wanted[n]);
    counts.given[n] = wanted[n].empty() ? 0 : sum_of(given[n]);  // what a reference is too short for is no mistake
    for (const auto& [ngram, count] : given[n]) {
      if (const auto found = wanted[n].find(ngram); found != wanted[n].end()) counts.both[n] += std::min(count, found->second);
    }
  }
  return counts;
}

}  // namespace

ChrfCounts& ChrfCounts::operator+=(const ChrfCounts& other) {
  for (std::size_t n = 0; n < kOrders; ++n) {
    given[n] += other.given[n];
    wanted[n] += other.wanted[n];
    both[n] += other.both[n];
  }
  return *this;
}

ChrfCounts chrf_counts(const std::string& text, std::span<const std::string> references) {
  const auto given = character_ngrams(text);
  ChrfCounts best;
  double most = -1;
  for (const auto& reference : references) {
    const auto counts = counts_of(given, character_ngrams(reference));
    if (const double score = chrf(counts); score > most) {
      most = score;
      best = counts;
    }
  }
  return best;
}

double chrf(const ChrfCounts& counts) {
  constexpr double kBetaSquared = 4;
  double precision = 0, recall = 0, orders = 0;
  for (std::size_t n = 0; n < ChrfCounts::kOrders; ++n) {
    if (counts.given[n] == 0 || counts.wanted[n] == 0) continue;
    precision += static_cast<double>(counts.both[n]) / static_cast<double>(counts.given[n]);
    recall += static_cast<double>(counts.both[n]) / static_cast<double>(counts.wanted[n]);
    orders += 1;
  }
  if (precision + recall == 0) return 0;
  precision /= orders;
  recall /= orders;
  return 100 * (1 + kBetaSquared) * precision * recall / (kBetaSquared * precision + recall);
}

}  // namespace dsc
