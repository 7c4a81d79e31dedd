#include "passes/quantize/ranges/growing_histogram.h"

#include <ATen/ops/empty.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>

namespace dsc::quantize {
namespace {

constexpr std::int64_t kGrain = 1 << 15;
constexpr std::int64_t kBlock = 512;
// Of larger tensors one block in kEvery is counted, kEvery times: what is left out changes no share of 2^19 counted values by more than
// chance does, which is less than from one choice of samples to the next. Ranges are those of all values.
constexpr std::int64_t kCountedWhole = 1 << 21, kEvery = 4;
constexpr int kSmallestExponent = -126;  // widths and their reciprocals stay normal numbers

std::int64_t bin_of(double value, int exponent) { return static_cast<std::int64_t>(std::floor(std::ldexp(value, -exponent))); }

// Of numbers below 2^31; unlike std::floor it needs no instructions beyond SSE2, so that compilers vectorise it.
std::int32_t floor_of(float value) {
  const auto whole = static_cast<std::int32_t>(value);
  return whole - static_cast<std::int32_t>(value < static_cast<float>(whole));
}

// Which of a group's blocks: scattered, since rows of a picture may be as long as a group.
std::int64_t chosen(std::int64_t group, std::int64_t every) {
  const auto scattered = static_cast<std::uint32_t>(group) * 2654435761U;  // Knuth's multiplicative hash
  return (scattered >> 16) % every;
}

using Counts = std::vector<std::uint32_t>;

struct Counting {
  const float* values;
  std::int64_t size;
  float per_width;
  std::int32_t first;

  void count(std::int64_t block, Counts& even, Counts& odd) const {
    std::array<std::int32_t, kBlock> bins;
    const float* from = values + block * kBlock;
    const auto count = static_cast<std::size_t>(std::min(kBlock, size - block * kBlock));
    for (std::size_t i = 0; i < count; ++i) bins[i] = floor_of(from[i] * per_width) - first;
    for (std::size_t i = 0; i + 1 < count; i += 2) {
      ++even[static_cast<std::size_t>(bins[i])];
      ++odd[static_cast<std::size_t>(bins[i + 1])];
    }
    if (count % 2 != 0) ++even[static_cast<std::size_t>(bins[count - 1])];
  }
};

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
  const at::Tensor row = values.to(at::kCPU, at::kFloat).contiguous();
  const Counting counting{row.const_data_ptr<float>(), row.numel(), std::ldexp(1.0F, -exponent_), static_cast<std::int32_t>(first_)};
  const std::int64_t blocks = (row.numel() + kBlock - 1) / kBlock, every = row.numel() < kCountedWhole ? 1 : kEvery;
  std::mutex mutex;
  at::parallel_for(0, (blocks + every - 1) / every, kGrain / kBlock, [&](std::int64_t begin, std::int64_t end) {
    // Two copies in turn: equal neighbours, zeros above all, do not wait for each other.
    Counts even(counts_.size(), 0), odd(counts_.size(), 0);
    for (std::int64_t group = begin; group < end; ++group) {
      const std::int64_t block = group * every + chosen(group, every);
      if (block < blocks) counting.count(block, even, odd);
    }
    const std::lock_guard lock(mutex);
    for (std::size_t b = 0; b < counts_.size(); ++b) counts_[b] += every * (std::int64_t{even[b]} + odd[b]);
  });
}

at::Tensor GrowingHistogram::packed() const {
  const at::Tensor packed = at::empty({2 + static_cast<std::int64_t>(counts_.size())}, at::kLong);
  auto* to = packed.mutable_data_ptr<std::int64_t>();
  *to++ = exponent_;
  *to++ = first_;
  std::copy(counts_.begin(), counts_.end(), to);
  return packed;
}

void GrowingHistogram::add_packed(const at::Tensor& packed, double minimum, double maximum) {
  if (packed.numel() <= 2) return;
  reach(static_cast<float>(minimum), static_cast<float>(maximum));
  const auto* from = packed.const_data_ptr<std::int64_t>();
  const auto wider = exponent_ - from[0];  // bins of part of the values are never wider than those of all
  for (std::int64_t i = 0; i + 2 < packed.numel(); ++i) counts_[static_cast<std::size_t>(((from[1] + i) >> wider) - first_)] += from[2 + i];
}

Histogram GrowingHistogram::histogram() const {
  const double width = std::ldexp(1.0, exponent_);
  Histogram made{static_cast<double>(first_) * width, static_cast<double>(first_ + static_cast<std::int64_t>(counts_.size())) * width, {}};
  made.counts.assign(counts_.begin(), counts_.end());
  return made;
}

}  // namespace dsc::quantize
