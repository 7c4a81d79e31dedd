#include "passes/quantize/ranges/growing_histogram.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>

namespace dsc::quantize {
namespace {

constexpr std::int64_t kGrain = 1 << 15;
constexpr std::int64_t kBlock = 512;
constexpr int kSmallestExponent = -126;  // widths and their reciprocals stay normal numbers

std::int64_t bin_of(double value, int exponent) { return static_cast<std::int64_t>(std::floor(std::ldexp(value, -exponent))); }

// Of numbers below 2^31; unlike std::floor it needs no instructions beyond SSE2, so that compilers vectorise it.
std::int32_t floor_of(float value) {
  const auto whole = static_cast<std::int32_t>(value);
  return whole - static_cast<std::int32_t>(value < static_cast<float>(whole));
}

std::int64_t half(std::int64_t bin) { return bin >> 1; }  // towards minus infinity

// The widest range of bins, in numbers, that the two values need.
std::int64_t span(double minimum, double maximum, int exponent) { return bin_of(maximum, exponent) - bin_of(minimum, exponent) + 1; }

// The least exponent whose bins reach over the values.
int fitting_exponent(double minimum, double maximum) {
  const double largest = std::max(std::abs(minimum), std::abs(maximum));
  int exponent = std::max(largest > 0 ? std::ilogb(largest) - 20 : kSmallestExponent, kSmallestExponent);  // bins' numbers stay small
  while (span(minimum, maximum, exponent) > GrowingHistogram::kBins) ++exponent;
  return exponent;
}

}  // namespace

void GrowingHistogram::reach(double minimum, double maximum) {
  const int least = fitting_exponent(minimum, maximum);
  if (counts_.empty()) {
    exponent_ = least;
    first_ = bin_of(minimum, exponent_);
    counts_ = {0};
  }
  const auto last = [&] { return first_ + static_cast<std::int64_t>(counts_.size()) - 1; };
  const auto needed = [&] { return std::max(last(), bin_of(maximum, exponent_)) - std::min(first_, bin_of(minimum, exponent_)) + 1; };
  while (exponent_ < least || needed() > kBins) {
    std::vector<std::int64_t> merged(static_cast<std::size_t>(half(last()) - half(first_) + 1), 0);
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      merged[static_cast<std::size_t>(half(first_ + static_cast<std::int64_t>(i)) - half(first_))] += counts_[i];
    }
    counts_ = std::move(merged);
    first_ = half(first_);
    ++exponent_;
  }
  const std::int64_t begin = std::min(first_, bin_of(minimum, exponent_));
  const std::int64_t end = std::max(last(), bin_of(maximum, exponent_)) + 1;
  counts_.insert(counts_.begin(), static_cast<std::size_t>(first_ - begin), 0);
  counts_.resize(static_cast<std::size_t>(end - begin), 0);
  first_ = begin;
}

void GrowingHistogram::add(const at::Tensor& values, double minimum, double maximum) {
  if (values.numel() == 0) return;
  reach(static_cast<float>(minimum), static_cast<float>(maximum));  // as they are counted
  const at::Tensor block = values.to(at::kCPU, at::kFloat).contiguous();
  const float* const data = block.const_data_ptr<float>();
  const float per_width = std::ldexp(1.0F, -exponent_);
  const auto first = static_cast<std::int32_t>(first_);
  std::mutex mutex;
  at::parallel_for(0, block.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    // Two copies in turn: equal neighbours, zeros above all, do not wait for each other.
    std::vector<std::uint32_t> even(counts_.size(), 0), odd(counts_.size(), 0);
    std::array<std::int32_t, kBlock> bins;
    for (std::int64_t block_begin = begin; block_begin < end; block_begin += kBlock) {
      const auto size = static_cast<std::size_t>(std::min(end - block_begin, kBlock));
      for (std::size_t i = 0; i < size; ++i) bins[i] = floor_of(data[block_begin + static_cast<std::int64_t>(i)] * per_width) - first;
      for (std::size_t i = 0; i + 1 < size; i += 2) {
        ++even[static_cast<std::size_t>(bins[i])];
        ++odd[static_cast<std::size_t>(bins[i + 1])];
      }
      if (size % 2 != 0) ++even[static_cast<std::size_t>(bins[size - 1])];
    }
    const std::lock_guard lock(mutex);
    for (std::size_t b = 0; b < counts_.size(); ++b) counts_[b] += even[b] + odd[b];
  });
}

Histogram GrowingHistogram::histogram() const {
  const double width = std::ldexp(1.0, exponent_);
  Histogram made{static_cast<double>(first_) * width, static_cast<double>(first_ + static_cast<std::int64_t>(counts_.size())) * width, {}};
  made.counts.assign(counts_.begin(), counts_.end());
  return made;
}

}  // namespace dsc::quantize
