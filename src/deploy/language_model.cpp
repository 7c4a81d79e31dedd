// Tokens chosen one after the other.
#include "deploy/language_model.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <chrono>

#include "dscompress/error.h"

namespace dsc {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

std::int64_t choose_token(const at::Tensor& scores, const Sampling& sampling, Random& random) {
  if (sampling.is_greedy()) return scores.argmax().item<std::int64_t>();
  const auto [shares, tokens] = at::softmax(scores.to(at::kDouble) / sampling.temperature.value_or(1), -1).sort(-1, true);
  const at::Tensor sums = shares.cumsum(-1);
  const auto* sum = sums.const_data_ptr<double>();
  const double wanted = std::min(sampling.top_p.value_or(1), sum[sums.numel() - 1]);
  const auto* last = std::lower_bound(sum, sum + sums.numel() - 1, wanted);  // of the fewest that come to it
  const auto* chosen = std::upper_bound(sum, last, random.uniform() * *last);
  return tokens[chosen - sum].item<std::int64_t>();
}

double Generated::tokens_per_second() const {
  return tokens.size() < 2 || later_seconds <= 0 ? 0 : static_cast<double>(tokens.size() - 1) / later_seconds;
}

Generated generate(LanguageModel& model, const std::vector<std::int64_t>& prompt, std::int64_t most, const std::vector<std::int64_t>& ends,
                   const Sampling& sampling, const std::function<void(std::int64_t token)>& each) {
  if (prompt.empty()) throw Error(ErrorCode::data, "the prompt has no tokens", {}, "give at least one");
  Generated made;
  Random random(derive_seed(sampling.seed, "generate"));
  model.forget();
  std::vector<std::int64_t> ids = prompt;
  const auto start = std::chrono::steady_clock::now();
  while (static_cast<std::int64_t>(made.tokens.size()) < most) {
    const std::int64_t token = choose_token(model.next(ids), sampling, random);
    made.ended = std::find(ends.begin(), ends.end(), token) != ends.end();
    if (made.ended) break;
    made.tokens.push_back(token);
    if (made.tokens.size() == 1) made.first_seconds = seconds_since(start);
    if (each) each(token);
    ids = {token};
  }
  if (made.tokens.size() > 1) made.later_seconds = seconds_since(start) - made.first_seconds;
  return made;
}

}  // namespace dsc
