#include "ir/dim_fit.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <string_view>
#include <utility>

namespace dsc {
namespace {

using Expressions = std::map<std::string, std::string, std::less<>>;
using Samples = std::vector<SizeSample>;
using Candidate = std::optional<std::string>;

bool holds(const std::string& expression, const Samples& samples) {
  return std::all_of(samples.begin(), samples.end(),
                     [&](const SizeSample& sample) { return evaluate_dim(expression, *sample.symbols) == sample.size; });
}

// The symbol whose value differs from the base; samples in which others follow it count as changes of this one.
std::string changed_symbol(const SizeSample& base, const SizeSample& sample) {
  if (!sample.changed.empty()) return sample.changed;
  for (const auto& [name, value] : *base.symbols) {
    if (sample.symbols->at(name) != value) return name;
  }
  return {};
}

// For each symbol that the size depends on, the sample that is farthest from the base.
std::map<std::string, const SizeSample*> dependents(const Samples& samples) {
  std::map<std::string, const SizeSample*> farthest;
  const SizeSample& base = samples.front();
  for (const SizeSample& sample : samples) {
    if (sample.size == base.size) continue;
    const std::string name = changed_symbol(base, sample);
    const SizeSample*& best = farthest[name];
    const auto distance = [&](const SizeSample& s) { return std::abs(s.symbols->at(name) - base.symbols->at(name)); };
    if (!best || distance(sample) > distance(*best)) best = &sample;
  }
  return farthest;
}

Candidate fit_one(const Samples& samples, const std::string& symbol, const SizeSample& far, const std::string& expression) {
  const SizeSample& base = samples.front();
  const std::int64_t at = base.symbols->at(symbol);
  const std::int64_t rise = far.size - base.size, run = far.symbols->at(symbol) - at;
  const std::int64_t common = std::gcd(rise, run) * (run < 0 ? -1 : 1);
  const std::int64_t factor = rise / common, divisor = run / common;
  if (divisor == 1) {
    const std::string line = make_dim(factor, {expression}, base.size - factor * at);
    if (holds(line, samples)) return line;
  }
  // factor * ((s + b)//q) + c, and where that fails ((factor*s + b)//q) + c.
  for (const auto& [outer, inner] : {std::pair{factor, std::int64_t{1}}, std::pair{std::int64_t{1}, factor}}) {
    for (std::int64_t b = 0; b < divisor; ++b) {
      const std::string quotient = make_floor_dim(inner, expression, b, divisor);
      const std::optional<std::int64_t> value = evaluate_dim(quotient, *base.symbols);
      const std::string whole = value ? make_dim(outer, {quotient}, base.size - outer * *value) : std::string();
      if (value && holds(whole, samples)) return whole;
    }
  }
  return std::nullopt;
}

Candidate fit_several(const Samples& samples, const std::map<std::string, const SizeSample*>& depends, const Expressions& expressions) {
  const SizeSample& base = samples.front();
  std::int64_t product = 1, rest = base.size;
  std::vector<std::string> symbols;
  std::vector<std::pair<std::int64_t, std::string>> terms;
  for (const auto& [name, far] : depends) {
    const std::int64_t at = base.symbols->at(name), run = far->symbols->at(name) - at;
    product *= at;
    symbols.push_back(expressions.find(name)->second);
    terms.emplace_back((far->size - base.size) / run, symbols.back());
    rest -= terms.back().first * at;
  }
  if (product != 0 && base.size % product == 0) {
    const std::string whole = make_dim(base.size / product, symbols, 0);
    if (holds(whole, samples)) return whole;
  }
  const std::string sum = make_sum_dim(terms, rest);
  return holds(sum, samples) ? Candidate(sum) : std::nullopt;
}

}  // namespace

std::optional<std::string> fit_size(const Samples& samples, const Expressions& expressions) {
  const auto depends = dependents(samples);
  if (depends.empty()) return std::string();
  if (depends.size() > 1) return fit_several(samples, depends, expressions);
  const auto& [name, far] = *depends.begin();
  return fit_one(samples, name, *far, expressions.find(name)->second);
}

}  // namespace dsc
