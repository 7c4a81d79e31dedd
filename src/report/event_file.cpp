#include "report/event_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace dsc {
namespace {

// tensorboard/compat/proto: numbers of the fields that are written.
enum EventField { kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5 };
enum SummaryField { kValue = 1 };
enum ValueField { kTag = 1, kSimpleValue = 2, kHistogram = 5, kTensor = 8, kMetadata = 9 };
enum MetadataField { kPluginData = 1 };
enum PluginField { kPluginName = 1, kContent = 2 };
enum HistogramField { kMinimum = 1, kMaximum = 2, kCount = 3, kSum = 4, kSumOfSquares = 5, kLimits = 6, kCounts = 7 };
enum TensorField { kDataType = 1, kShape = 2 };
enum ShapeField { kDimension = 2 };
constexpr std::int64_t kFloatType = 1;

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // Castagnoli's, its bits reversed

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) remainder = remainder & 1 ? kPolynomial ^ (remainder >> 1) : remainder >> 1;
    table[byte] = remainder;
  }
  return table;
}

WireMessage event_at(double wall_time, std::int64_t step) {
  WireMessage event;
  event.real(kWallTime, wall_time);
  if (step != 0) event.integer(kStep, step);  // protobuf writes no zeros
  return event;
}

// Of no elements. Values that only their metadata speak of hold it: readers look at what they hold.
WireMessage empty_tensor() { return WireMessage().integer(kDataType, kFloatType).message(kShape, WireMessage().message(kDimension, WireMessage())); }

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr auto kTable = make_table();
  std::uint32_t remainder = 0xffffffff;
  for (const unsigned char byte : bytes) remainder = kTable[(remainder ^ byte) & 255] ^ (remainder >> 8);
  return ~remainder;
}

std::uint32_t masked_crc32c(std::string_view bytes) {
  const auto crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
}

TrackedHistogram histogram_of(std::span<const float> values) {
  TrackedHistogram made;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
    made.count += 1;
    made.sum += value;
    made.sum_of_squares += value * value;
  }
  if (made.count == 0) return made;
  made.minimum = low;
  made.maximum = high;
  const auto buckets = low < high ? kHistogramBuckets : 1;
  const double width = (high - low) / static_cast<double>(buckets);
  for (std::int64_t i = 1; i < buckets; ++i) made.limits.push_back(low + width * static_cast<double>(i));
  made.limits.push_back(high);
  made.counts.assign(made.limits.size(), 0);
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    const auto bucket = buckets == 1 ? 0 : static_cast<std::int64_t>((value - low) / width);
    made.counts[static_cast<std::size_t>(std::min(bucket, buckets - 1))] += 1;
  }
  return made;
}

EventFile::EventFile(double wall_time) { add_record(WireMessage().real(kWallTime, wall_time).text(kFileVersion, "brain.Event:2")); }

void EventFile::add_record(const WireMessage& event) {
  const auto length = little_endian(event.bytes().size(), 8);
  bytes_ += length + little_endian(masked_crc32c(length), 4) + event.bytes() + little_endian(masked_crc32c(event.bytes()), 4);
}

void EventFile::add_summary(const WireMessage& value, std::int64_t step, double wall_time) {
  add_record(event_at(wall_time, step).message(kSummary, WireMessage().message(kValue, value)));
}

void EventFile::add_scalar(std::string_view tag, std::int64_t step, double value, double wall_time) {
  add_summary(WireMessage().text(kTag, tag).single(kSimpleValue, static_cast<float>(value)), step, wall_time);
}

void EventFile::add_histogram(std::string_view tag, std::int64_t step, const TrackedHistogram& h, double wall_time) {
  WireMessage histogram;
  histogram.real(kMinimum, h.minimum).real(kMaximum, h.maximum).real(kCount, h.count).real(kSum, h.sum).real(kSumOfSquares, h.sum_of_squares);
  histogram.reals(kLimits, h.limits).reals(kCounts, h.counts);
  add_summary(WireMessage().text(kTag, tag).message(kHistogram, histogram), step, wall_time);
}

void EventFile::add_plugin_data(std::string_view tag, std::string_view plugin, std::string_view content, double wall_time) {
  const auto metadata = WireMessage().message(kPluginData, WireMessage().text(kPluginName, plugin).text(kContent, content));
  add_summary(WireMessage().text(kTag, tag).message(kTensor, empty_tensor()).message(kMetadata, metadata), 0, wall_time);
}

}  // namespace dsc
