// How well generated text matches references: BLEU and chrF as sacrebleu computes them, ROUGE as rouge-score does.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dsc {

// Words and punctuation as mteval-v13a cuts them, which BLEU is counted over. source: sacrebleu's tokenizer_13a.
std::vector<std::string> bleu_tokens(std::string_view text);

// Counts of one text, or of a corpus: they add up.
struct BleuCounts {
  static constexpr std::size_t kOrders = 4;
  std::array<std::int64_t, kOrders> right{}, all{};  // n-grams that a reference has, and all, of 1 to 4 tokens
  std::int64_t length = 0, reference_length = 0;     // tokens; of the reference nearest in length
  BleuCounts& operator+=(const BleuCounts& other);
};
BleuCounts bleu_counts(const std::string& text, std::span<const std::string> references);
// 0 to 100, with a brevity penalty; orders without a match count half, a quarter, ... of one. source: Papineni et al. 2002,
// doi:10.3115/1073083.1073135; sacrebleu's corpus_bleu with smooth_method "exp".
double bleu(const BleuCounts& counts);

// N-grams of 1 to 6 characters, blanks left out.
struct ChrfCounts {
  static constexpr std::size_t kOrders = 6;
  std::array<std::int64_t, kOrders> given{}, wanted{}, both{};
  ChrfCounts& operator+=(const ChrfCounts& other);
};
// Against the reference that it matches best.
ChrfCounts chrf_counts(const std::string& text, std::span<const std::string> references);
// 0 to 100: F2 of the mean precision and the mean recall over the orders that both sides have. source: Popović 2015,
// doi:10.18653/v1/W15-3049; sacrebleu's corpus_chrf.
double chrf(const ChrfCounts& counts);

// F1 of the n-grams of words that two texts share, and of their longest common subsequence, 0 to 1. Words are runs of ASCII letters and
// digits in lower case, without stemming. source: Lin 2004, "ROUGE: a package for automatic evaluation of summaries"; rouge-score 0.1.2.
double rouge_n(const std::string& text, const std::string& reference, std::size_t n);
double rouge_l(const std::string& text, const std::string& reference);

}  // namespace dsc
