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

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<std::int64_t> made_up_prompt(LanguageModel& model, std::int64_t length) {
  model.forget();
  const std::int64_t vocabulary = model.next({0}).numel();
  Random random(1);
  std::vector<std::int64_t> ids;
  for (std::int64_t i = 0; i < length; ++i) ids.push_back(random.below(vocabulary));
  return ids;
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

std::vector<GenerationSpeed> time_generation(const std::vector<LanguageModel*>& models, const GenerationTiming& timing) {
  std::vector<std::vector<double>> first(models.size()), later(models.size());
  std::vector<std::vector<std::int64_t>> prompts;
  for (LanguageModel* model : models) prompts.push_back(made_up_prompt(*model, timing.prompt));
  const auto total = static_cast<std::int64_t>(models.size()) * (timing.rounds + 1);
  std::int64_t done = 0;
  for (std::int64_t round = 0; round <= timing.rounds; ++round) {
    for (std::size_t i = 0; i < models.size(); ++i) {
      const Generated made = generate(*models[i], prompts[i], timing.tokens, {});
      if (timing.progress) timing.progress(++done, total);
      if (round == 0) continue;
      first[i].push_back(1e3 * made.first_seconds);
      later[i].push_back(made.tokens_per_second());
    }
  }
  std::vector<GenerationSpeed> speeds;
  for (std::size_t i = 0; i < models.size(); ++i) {
    GenerationSpeed speed{models[i]->engine(), timing.prompt, timing.tokens, timing.rounds, median(first[i]), median(later[i])};
    const auto [least, most] = std::minmax_element(later[i].begin(), later[i].end());
    speed.spread = speed.tokens_per_second > 0 ? (*most - *least) / speed.tokens_per_second : 0;
    speeds.push_back(std::move(speed));
  }
  return speeds;
}

}  // namespace dsc
